"""Try every proof on a lab that stands: one check a line, as JSON.

Usage: python -m lab.proofs STATE FLEET, where an operator stands: in the lab's network, with its environment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import dns.resolver

from deploys.secrets import account_password, caller_key, root_secret
from inventory import Allocation, allocate, load_fleet
from lab import open_world
from lab.proofs import (
    Proof,
    dashboards,
    fleet,
    mail,
    metrics,
    n8n,
    refusals,
    rollback,
    run_proofs,
    status,
    tools,
    trouble,
    upgrade,
)
from lab.proofs import dns as dns_proofs
from lab.proofs.scene import Mailbox, Scene

PROOFS = [
    Proof("mail from every node arrives with SPF, DKIM and DMARC pass", mail.signed_mail_arrives),
    Proof("other code verifies the signatures too", mail.verdicts_by_other_code),
    Proof("HELO, PTR and A agree, and TLS was used", mail.names_agree),
    Proof("a reply reaches the account's IMAP mailbox", mail.reply_arrives),
    Proof("a remote 5xx comes back as a DSN", mail.refusal_comes_back),
    Proof("an account cannot use another's envelope sender", refusals.envelope_is_bound_to_login),
    Proof("an account cannot use another's From header", refusals.header_is_bound_to_login),
    Proof("no node is an open relay", refusals.no_open_relay),
    Proof("SSH by password is refused", refusals.password_ssh_is_refused),
    Proof("SSH, submission and IMAP are closed to strangers", refusals.doors_are_closed_to_strangers),
    Proof("A and PTR of every node agree", dns_proofs.addresses_agree),
    Proof("DKIM keys in DNS are the keys on disk", dns_proofs.dns_matches_keys),
    Proof("every node validates DNSSEC", dns_proofs.nodes_validate),
    Proof("our units, and NATS, run hardened on every host", tools.units_are_hardened),
    Proof("every node tells real addresses from others, and says goodbye", tools.verdicts_are_right),
    Proof("a message given to a node reaches the team", tools.messages_reach_the_team),
    Proof("the REST service is open to the orchestrator alone", tools.service_is_closed_to_others),
    Proof("the REST service does nothing without the right key", tools.keys_are_asked_for),
    Proof("a list given to the fleet is carried by several nodes", fleet.list_is_carried),
    Proof("the orchestrator answers for addresses that its nodes ask", fleet.short_list_is_answered),
    Proof("a node's identity is refused what is not its own", fleet.identities_are_bound),
    Proof("Prometheus gathers every host's figures", metrics.everything_is_gathered),
    Proof("the exporters are open to the orchestrator alone", metrics.exporters_are_closed_to_others),
    Proof("the exporters tell nothing without its certificate", metrics.exporters_ask_for_a_certificate),
    Proof("every alert rule is judged", metrics.rules_are_judged),
    Proof("an alert reaches the team", metrics.alerts_reach_the_team),
    Proof("status finds nothing wrong", status.nothing_wrong),
    Proof("the orchestrator's key opens the status probe and nothing else", status.key_opens_nothing_else),
    Proof("mail is counted by its domain and operator", metrics.mail_is_counted, alone=True),
    Proof("a change is told once, and the report handed out", status.change_is_told_once, alone=True),
    Proof("the dashboards have figures", dashboards.dashboards_have_figures, alone=True),
    Proof("with the signer stopped nothing leaves unsigned", refusals.nothing_leaves_unsigned, alone=True),
    Proof("kill -9 and restarts in mid-job lose nothing", fleet.nothing_is_lost, alone=True),
    Proof(
        "trouble of the engine is one line each, to the team too", trouble.engines_trouble_is_told, alone=True
    ),
    Proof("the engine is small in the orchestrator's memory", fleet.engine_is_small, alone=True),
    Proof(
        "a release that cannot run is taken back, unnoticed", rollback.broken_release_rolls_back, alone=True
    ),
]

N8N = [
    Proof("n8n answers behind TLS, by the authority's certificate", n8n.tls_by_the_authority),
    Proof("n8n shows and does nothing without a login", n8n.login_is_asked_for),
    Proof("the workflows are published", n8n.workflows_are_published),
    # Alone, because it uses up the nodes' budgets for the receiving host.
    Proof("200 leads come back validated, the right ones", n8n.leads_come_back_validated, alone=True),
    Proof("the daily digest reaches the team", n8n.digest_reaches_the_team),
    Proof("a workflow that fails is told of", n8n.failure_reaches_the_team),
    Proof("an edit in n8n stays until it is forced", n8n.edit_stays_until_forced, alone=True),
    Proof("trouble of n8n is one line each, to the team too", trouble.n8ns_trouble_is_told, alone=True),
    Proof("an n8n that spoils its database is taken back", upgrade.broken_n8n_rolls_back, alone=True),
]
"""Tried where the fleet file asks for n8n."""


def build_scene(state: Path, file: Path) -> Scene:
    """The scene of the fleet of a file, in a lab that is up."""
    lab = open_world(state)
    allocation = allocate(load_fleet(file))
    secret = root_secret(os.environ)

    def run(host: str, argv: list[str], *, timeout: float = 120) -> str:
        return lab.run(host, argv, timeout=timeout).stdout

    mailboxes = _mailboxes(allocation, lambda address: account_password(secret, address))
    return Scene(
        nodes={fqdn: _address(fqdn) for fqdn in mailboxes},
        mailboxes=mailboxes,
        selectors={home.domain: allocation.fleet.dkim.selector for home in allocation.homes},
        far=lab.far_side,
        run=run,
        fleet=file,
        orchestrator=allocation.orchestrator.name,
        telegram=os.environ["TELEGRAM_BASE_URL"],
        key=caller_key(secret, "n8n", allocation.orchestrator.fqdn),
    )


def _address(fqdn: str) -> str:
    return str(dns.resolver.resolve(fqdn, "A")[0])


def _mailboxes(allocation: Allocation, password: Callable[[str], str]) -> dict[str, tuple[Mailbox, Mailbox]]:
    """Two mailboxes of each node that has domains: the first two accounts of its first."""
    found = {}
    for node in allocation.nodes:
        if not allocation.homes_on[node.name]:
            continue
        first, second = list(allocation.homes_on[node.name][0].accounts())[:2]
        found[node.fqdn] = (
            Mailbox(first.address, password(first.address), node.fqdn, first.domain),
            Mailbox(second.address, password(second.address), node.fqdn, second.domain),
        )
    return found


def main() -> None:
    """Print each check as soon as it is known."""
    scene = build_scene(Path(sys.argv[1]), Path(sys.argv[2]))
    chosen = load_fleet(scene.fleet).orchestrator.services
    for check in run_proofs([*PROOFS, *(N8N if "n8n" in chosen else ())], scene):
        sys.stdout.write(json.dumps(asdict(check)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
