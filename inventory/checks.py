"""What no single block of a fleet can know: names given twice, pins to nowhere, more than fits."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from inventory.allocation import Server, expand, mailboxes, place, row_names
from inventory.model import Fleet, Node, Orchestrator, Provider
from inventory.names import local_part
from inventory.problems import FieldPath, Finding, field_name

_LOCAL_PART = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")

_ROLE_MAIL = {"abuse", "postmaster", "mailer-daemon"}
"""Every domain answers these for its owner (RFC 2142, RFC 5321 section 4.5.1): no account may have them."""


def check(fleet: Fleet) -> list[Finding]:
    """Everything wrong with a fleet whose every block is well-formed."""
    findings = [
        *_servers(fleet),
        *_domains(fleet),
        *_accounts(fleet),
        *_warmup(fleet),
        *_operators(fleet),
        *_backups(fleet),
    ]
    # Whether all fits is only a question once names, pins and accounts are right.
    return findings or list(_capacity(fleet))


def _servers(fleet: Fleet) -> Iterator[Finding]:
    rows: list[tuple[FieldPath, Node | Orchestrator]] = [(("orchestrator",), fleet.orchestrator)]
    rows += [(("nodes", at), row) for at, row in enumerate(fleet.nodes)]
    names: list[tuple[str, FieldPath]] = []
    for path, row in rows:
        names += [
            (name, (*path, "name"))
            for name in ([row.name] if isinstance(row, Orchestrator) else row_names(row))
        ]
        yield from _product(path, row)
    yield from _twice(names, "the host name {!r} is taken by {}", "give each server its own")
    addresses = [(str(row.ipv4), (*path, "ipv4")) for path, row in rows if row.ipv4]
    yield from _twice(addresses, "the address {} is that of {}", "give each server its own")


def _product(path: FieldPath, row: Node | Orchestrator) -> Iterator[Finding]:
    provider = row.provider
    if isinstance(row, Node):
        if row.ipv4 and row.count and row.count > 1:
            yield Finding(
                (*path, "ipv4"),
                f"one address for a row of {row.count}",
                "list the nodes one by one to give addresses",
            )
        if provider is Provider.HETZNER and row.term_months != 1:
            yield Finding((*path, "term_months"), "Hetzner has no contract terms", "remove it")
    default = type(row).model_fields["provider"].default
    if provider is not default:
        for key in ("type", "location"):
            if key not in row.model_fields_set:
                yield Finding(
                    (*path, key),
                    f"missing, and the default is one of {default.title()}'s",
                    f"name {provider.title()}'s own",
                )


def _domains(fleet: Fleet) -> Iterator[Finding]:
    yield from _twice(
        [(domain.name, ("domains", at, "name")) for at, domain in enumerate(fleet.domains)],
        "the domain {} is listed already as {}",
        "remove one",
    )
    names = [name for row in fleet.nodes for name in row_names(row)]
    known = set(names)
    for at, domain in enumerate(fleet.domains):
        if domain.name == fleet.infra_domain:
            yield Finding(
                ("domains", at, "name"), f"{domain.name} is the infra_domain", "send from another domain"
            )
        if domain.node is not None and domain.node not in known:
            near = get_close_matches(domain.node, names, 1)
            right = f"did you mean {near[0]}? " if near else ""
            right += f"nodes here: {_some(names)}"
            yield Finding(("domains", at, "node"), f"there is no node {domain.node!r}", right)


def _accounts(fleet: Fleet) -> Iterator[Finding]:
    names, per_domain = len(fleet.accounts.names), fleet.accounts.per_domain
    if per_domain > names:
        yield _too_few(("accounts", "per_domain"), per_domain, names)
    for at, domain in enumerate(fleet.domains):
        path = ("domains", at)
        for local in sorted(_ROLE_MAIL & domain.accounts.keys()):
            yield Finding(
                (*path, "accounts", local), f"{local}@ is kept for the domain's owner", "choose another name"
            )
        if domain.accounts_per_domain is None:
            continue
        if domain.accounts:
            yield Finding(
                (*path, "accounts_per_domain"), "the domain lists its own accounts", "keep one of the two"
            )
        elif domain.accounts_per_domain > names:
            yield _too_few((*path, "accounts_per_domain"), domain.accounts_per_domain, names)
    empty = [domain.name for domain in fleet.domains if not (domain.accounts or domain.accounts_per_domain)]
    if empty and not per_domain:
        yield Finding(
            ("accounts",),
            f"{len(empty)} domains have no account, {empty[0]} for one",
            "set per_domain, or list accounts under the domain",
        )
    yield from _names(fleet)


def _names(fleet: Fleet) -> Iterator[Finding]:
    """`accounts.names`, used or not: raising per_domain must not bring up old mistakes."""
    spelled = [local_part(name) for name in fleet.accounts.names]
    for at, local in enumerate(spelled):
        if not _LOCAL_PART.fullmatch(local) or len(local) > 64 or local in _ROLE_MAIL:
            yield Finding(
                ("accounts", "names", at),
                f"{fleet.accounts.names[at]!r} gives no usable address ({local[:70]}@)",
                "write it in Latin letters, or list the account under its domain",
            )
    yield from _twice(
        [(local, ("accounts", "names", at)) for at, local in enumerate(spelled)],
        "gives the address {}@, and so does {}",
        "keep one",
    )


def _too_few(path: FieldPath, wanted: int, names: int) -> Finding:
    return Finding(
        path,
        f"{wanted} accounts from {names} names",
        f"add {wanted - names} to accounts.names, or write {names} or less",
    )


def _warmup(fleet: Fleet) -> Iterator[Finding]:
    cap = fleet.limits.mails_per_account_per_day
    before = 0
    for at, stage in enumerate(fleet.warmup):
        path = ("warmup", at, "mails_per_day")
        if stage.mails_per_day > cap:
            yield Finding(
                path,
                f"{stage.mails_per_day} is above limits.mails_per_account_per_day ({cap})",
                f"write {cap} or less",
            )
        if stage.mails_per_day < before:
            yield Finding(
                path,
                f"{stage.mails_per_day} is below the stage before it ({before})",
                "order the stages upwards",
            )
        before = stage.mails_per_day


def _operators(fleet: Fleet) -> Iterator[Finding]:
    for at, network in enumerate(fleet.operators.addresses):
        if network.prefixlen < 8:
            yield Finding(
                ("operators", "addresses", at),
                f"{network} lets half the internet reach SSH and IMAP",
                "name the networks you administer from",
            )


def _backups(fleet: Fleet) -> Iterator[Finding]:
    if fleet.backups is None:
        return
    from pyrage import RecipientError, x25519  # noqa: PLC0415 - most fleets' files are read without it

    recipients = [(key, ("backups", "recipients", at)) for at, key in enumerate(fleet.backups.recipients)]
    for key, path in recipients:
        try:
            x25519.Recipient.from_str(key)
        except RecipientError:
            yield Finding(path, "the key has a typing mistake in it", "copy it from age-keygen's output")
    yield from _twice(recipients, "the key {} is listed already as {}", "remove one")


def _capacity(fleet: Fleet) -> Iterator[Finding]:
    nodes = list(expand(fleet))
    sizes = [len(boxes) for boxes in mailboxes(fleet)]
    _, homeless = place(fleet, nodes, sizes)
    largest = max(node.max_accounts for node in nodes)
    pinned = [at for at in homeless if fleet.domains[at].node is not None]
    too_large = [at for at in homeless if sizes[at] > largest]
    for at in pinned:
        domain = fleet.domains[at]
        node = next(node for node in nodes if node.name == domain.node)
        yield Finding(
            ("domains", at, "node"),
            f"{node.name} is full: it takes {node.max_domains} domains and {node.max_accounts} accounts",
            f"pin {domain.name} elsewhere, or raise the node's max_domains or max_accounts",
        )
    if too_large:
        at = too_large[0]
        yield Finding(
            ("domains", at),
            f"{fleet.domains[at].name} has {sizes[at]} accounts, and the largest node takes {largest}",
            "raise limits.accounts_per_node or give the domain fewer",
        )
    elif homeless and not pinned:
        yield _full(fleet, nodes, sizes)


def _full(fleet: Fleet, nodes: list[Server], sizes: list[int]) -> Finding:
    """Say which limit is short, and how many more nodes would do."""
    largest = max(nodes, key=lambda node: node.max_accounts)
    spare = [replace(largest, name=f"+{number}") for number in range(len(sizes))]
    places, _ = place(fleet, [*nodes, *spare], sizes)
    extra = len({at for at in places if at is not None and at >= len(nodes)})
    room = sum(node.max_domains for node in nodes)
    if room < len(sizes):
        wrong, knob = f"{len(sizes):,} domains, room for {room:,}", "limits.domains_per_node"
    else:
        room = sum(node.max_accounts for node in nodes)
        wrong, knob = f"{sum(sizes):,} accounts, room for {room:,}", "limits.accounts_per_node"
        if room >= sum(sizes):
            wrong += ", but not for whole domains"
    return Finding(("domains",), wrong, f"add {extra:,} node{'s' * (extra > 1)} or raise {knob}")


def _twice(named: Iterable[tuple[Hashable, FieldPath]], wrong: str, right: str) -> Iterator[Finding]:
    """A finding for each value that an earlier place has already; `wrong` takes the value and that place."""
    first: dict[Hashable, FieldPath] = {}
    for value, path in named:
        if value in first:
            yield Finding(path, wrong.format(value, field_name(first[value])), right)
        else:
            first[value] = path


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:4])}, ... {names[-1]}"
