"""One mistake in a fleet is one line: where it is, what is wrong, what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]
Problems = Callable[..., list[str]]


def case(old: str, new: str, said: str) -> tuple[str, str, str]:
    """What is replaced, by what, and the line that is said."""
    return old, new, said


ONE_BLOCK = [
    case(
        "alpha.example",
        "Alpha.Example",
        "15: domains[0].name: 'Alpha.Example' is not a domain name; write it in lower case like example.com",
    ),
    case(
        "alpha.example",
        "alpha",
        "15: domains[0].name: 'alpha' is not a domain name; write it in lower case like example.com",
    ),
    case(
        "alpha.example",
        "192.0.2.1",
        "15: domains[0].name: '192.0.2.1' is not a domain name; write it in lower case like example.com",
    ),
    case(
        "per_domain: 2",
        "per_domian: 2",
        "20: accounts.per_domian: unknown key; did you mean `per_domain`?",
    ),
    case(
        "name: hub",
        "nmae: hub",
        "10: orchestrator.nmae: unknown key; did you mean `name`?",
    ),
    case(
        "count: 2",
        "count: 2\n    colour: red",
        "14: nodes[0].colour: unknown key; "
        "known here: name, count, provider, type, location, image, term_months, max_domains, "
        "max_accounts, ipv4",
    ),
    case(
        "count: 2",
        "count: 2\n    provider: contbo",
        "14: nodes[0].provider: 'contbo' is none of the choices; "
        "did you mean contabo? write 'hetzner' or 'contabo'",
    ),
    case(
        "count: 2",
        "count: 2\n    term_months: 2",
        "14: nodes[0].term_months: 2 is none of the choices; write 1, 3, 6 or 12",
    ),
    case(
        "count: 2",
        "count: two",
        "13: nodes[0].count: 'two' is not a whole number; write digits without quotes",
    ),
    case(
        "count: 2",
        "count: '2'",
        "13: nodes[0].count: '2' is not a whole number; write digits without quotes",
    ),
    case(
        "count: 2",
        "count: true",
        "13: nodes[0].count: True is not a whole number; write digits without quotes",
    ),
    case(
        "count: 2",
        "count: 0",
        "13: nodes[0].count: 0 is too small; write 1 or more",
    ),
    case(
        "name: hub",
        "name: hub\n  ipv4: 198.18.1",
        "11: orchestrator.ipv4: '198.18.1' is not an IPv4 address; write it like 203.0.113.7",
    ),
    case(
        "198.18.0.1/32",
        "198.18.0.1/15",
        "8: operators.addresses[0]: '198.18.0.1/15' is not a network; "
        "write it like 203.0.113.7 or 203.0.113.0/24, no bits set after the prefix",
    ),
    case(
        "[198.18.0.1/32]",
        "[]",
        "8: operators.addresses: an empty list is too short; it takes 1 or more",
    ),
    case(
        "infra_domain: infra.example\n",
        "",
        "1: infra_domain: missing; add `infra_domain:` here",
    ),
    case(
        "  legal_name: Small GmbH\n",
        "",
        "4: sender.legal_name: missing; add `legal_name:` here",
    ),
    case(
        "Small GmbH",
        "",
        "5: sender.legal_name: empty; write plain text, and numbers in quotes",
    ),
    case(
        "Small GmbH",
        "1234",
        "5: sender.legal_name: 1234 is not text; write plain text, and numbers in quotes",
    ),
    case(
        "  name: hub",
        "  - hub",
        "9: orchestrator: this list is not a block; write one `key: value` a line, indented",
    ),
    case(
        "version: 1",
        "version: 2",
        "1: version: 2 is none of the choices; write 1",
    ),
    case(
        "limits:",
        "dkim: {selector: S_1}\nlimits:",
        "24: dkim.selector: 'S_1' is not a name; "
        "use lower-case letters, digits and inner hyphens, 63 at most",
    ),
    case(
        "limits:",
        "dkim: {bits: 1024}\nlimits:",
        "24: dkim.bits: 1024 is none of the choices; write 2048, 3072 or 4096",
    ),
    case(
        "- alpha.example",
        "- name: alpha.example\n    accounts: {Anna: Anna Berg}",
        "16: domains[0].accounts.Anna: 'Anna' is not a local part; "
        "use lower-case letters and digits, with single . _ or - in between",
    ),
    case(
        "- alpha.example",
        "- name: alpha.example\n    accounts: {a+b: Anna Berg}",
        "16: domains[0].accounts['a+b']: 'a+b' is not a local part; "
        "use lower-case letters and digits, with single . _ or - in between",
    ),
    case(
        "- alpha.example",
        "- name: alpha.example\n    accounts: {anna: 'Anna \"A\" Berg'}",
        "16: domains[0].accounts.anna: 'Anna \"A\" Berg' is not a display name; "
        "leave out quotes, backslashes and < >",
    ),
]

AGE = "age1puc7rnw7624e5eazltl9hs6xql6cex8s58mss2wtpt0q9uyxdvdqar4509"
BACKUPS = [
    case(
        "limits:",
        "backups: {recipients: [age1nothing], to: kept}\nlimits:",
        "24: backups.recipients[0]: 'age1nothing' is not an age public key; "
        "write the one that age-keygen prints, age1...",
    ),
    case(
        "limits:",
        f"backups: {{recipients: [{AGE[:-1]}8], to: kept}}\nlimits:",
        "24: backups.recipients[0]: the key has a typing mistake in it; copy it from age-keygen's output",
    ),
    case(
        "limits:",
        f"backups: {{recipients: [{AGE}, {AGE}], to: kept}}\nlimits:",
        f"24: backups.recipients[1]: the key {AGE} is listed already as backups.recipients[0]; remove one",
    ),
    case(
        "limits:",
        f"backups: {{recipients: [{AGE}], to: kept, hour: 24}}\nlimits:",
        "24: backups.hour: 24 is too large; write 23 or less",
    ),
    case(
        "limits:",
        "backups: {recipients: [], to: kept}\nlimits:",
        "24: backups.recipients: an empty list is too short; it takes 1 or more",
    ),
    case(
        "limits:",
        f"backups:\n  recipients: [{AGE}]\nlimits:",
        "24: backups.to: missing; add `to:` here",
    ),
]

ACROSS_BLOCKS = [
    case(
        "bravo.example",
        "alpha.example",
        "16: domains[1].name: the domain alpha.example is listed already as domains[0].name; remove one",
    ),
    case(
        "bravo.example",
        "infra.example",
        "16: domains[1].name: infra.example is the infra_domain; send from another domain",
    ),
    case(
        "name: hub",
        "name: n2",
        "12: nodes[0].name: the host name 'n2' is taken by orchestrator.name; give each server its own",
    ),
    case(
        "  - name: n\n",
        "  - name: n1\n  - name: n\n",
        "13: nodes[1].name: the host name 'n1' is taken by nodes[0].name; give each server its own",
    ),
    case(
        "    count: 2",
        "    ipv4: 192.0.2.7\n  - name: m\n    ipv4: 192.0.2.7",
        "15: nodes[1].ipv4: the address 192.0.2.7 is that of nodes[0].ipv4; give each server its own",
    ),
    case(
        "    count: 2",
        "    ipv4: 192.0.2.7\n    count: 2",
        "13: nodes[0].ipv4: one address for a row of 2; list the nodes one by one to give addresses",
    ),
    case(
        "count: 2",
        "count: 2\n    provider: hetzner\n    location: fsn1",
        "12: nodes[0].type: missing, and the default is one of Contabo's; name Hetzner's own",
    ),
    case(
        "count: 2",
        "count: 2\n    provider: hetzner\n    location: fsn1\n    type: cx23\n    term_months: 12",
        "17: nodes[0].term_months: Hetzner has no contract terms; remove it",
    ),
    case(
        "- bravo.example",
        "- {name: bravo.example, node: n11}",
        "16: domains[1].node: there is no node 'n11'; did you mean n1? nodes here: n1, n2",
    ),
    case(
        "- bravo.example",
        "- {name: bravo.example, node: mars}",
        "16: domains[1].node: there is no node 'mars'; nodes here: n1, n2",
    ),
    case(
        "- bravo.example",
        "- {name: bravo.example, accounts_per_domain: 9}",
        "16: domains[1].accounts_per_domain: 9 accounts from 3 names; "
        "add 6 to accounts.names, or write 3 or less",
    ),
    case(
        "- bravo.example",
        "- {name: bravo.example, accounts_per_domain: 1, accounts: {anna: Anna}}",
        "16: domains[1].accounts_per_domain: the domain lists its own accounts; keep one of the two",
    ),
    case(
        "- bravo.example",
        "- {name: bravo.example, accounts: {postmaster: Anna}}",
        "16: domains[1].accounts.postmaster: postmaster@ is kept for the domain's owner; choose another name",
    ),
    case(
        "per_domain: 2",
        "per_domain: 4",
        "20: accounts.per_domain: 4 accounts from 3 names; add 1 to accounts.names, or write 3 or less",
    ),
    case(
        "per_domain: 2",
        "per_domain: 0",
        "19: accounts: 4 domains have no account, alpha.example for one; "
        "set per_domain, or list accounts under the domain",
    ),
    case(
        "Clara Lindt",
        "ANNA  berg",
        "21: accounts.names[2]: gives the address anna.berg@, and so does accounts.names[0]; keep one",
    ),
    case(
        "Clara Lindt",
        "Анна",
        "21: accounts.names[2]: 'Анна' gives no usable address (анна@); "
        "write it in Latin letters, or list the account under its domain",
    ),
    case(
        "mails_per_day: 50",
        "mails_per_day: 60",
        "29: warmup[1].mails_per_day: 60 is above limits.mails_per_account_per_day (50); write 50 or less",
    ),
    case(
        "mails_per_day: 50",
        "mails_per_day: 4",
        "29: warmup[1].mails_per_day: 4 is below the stage before it (5); order the stages upwards",
    ),
    case(
        "198.18.0.1/32",
        "0.0.0.0/0",
        "8: operators.addresses[0]: 0.0.0.0/0 lets half the internet reach SSH and IMAP; "
        "name the networks you administer from",
    ),
    case(
        "- delta.example",
        "- delta.example\n  - echo.example",
        "14: domains: 5 domains, room for 4; add 1 node or raise limits.domains_per_node",
    ),
    case(
        "accounts_per_node: 4",
        "accounts_per_node: 3",
        "14: domains: 8 accounts, room for 6; add 2 nodes or raise limits.accounts_per_node",
    ),
    case(
        "accounts_per_node: 4",
        "accounts_per_node: 1",
        "15: domains[0]: alpha.example has 2 accounts, and the largest node takes 1; "
        "raise limits.accounts_per_node or give the domain fewer",
    ),
    case(
        "alpha.example\n  - bravo.example\n  - charlie.example",
        "{name: alpha.example, node: n1}\n  - {name: bravo.example, node: n1}\n  - {name: "
        "charlie.example, node: n1}",
        "17: domains[2].node: n1 is full: it takes 2 domains and 4 accounts; "
        "pin charlie.example elsewhere, or raise the node's max_domains or max_accounts",
    ),
]


@pytest.mark.parametrize("mistake", ONE_BLOCK + BACKUPS + ACROSS_BLOCKS)
def test_one_mistake_is_one_line_with_its_place(
    problems: Problems, write: Write, base: str, mistake: tuple[str, str, str]
) -> None:
    old, new, said = mistake
    assert base.count(old) == 1
    assert problems(write(base.replace(old, new))) == [f"fleet.yaml:{said}"]
