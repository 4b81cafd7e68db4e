"""What DNS says of hosts and domains: the questions, for the checks to judge the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from status.blocklists import BlockList
from status.evaluator import evaluate
from status.facts import Answer, DomainNames, HostNames
from status.questions import Questions
from status.records import report_domains


def look_up(
    questions: Questions,
    fqdn: str,
    address: str | None,
    selectors: Mapping[str, str],
    lists: Sequence[BlockList],
    *,
    sends_mail: bool,
) -> HostNames:
    """Ask everything about one host.

    Args:
        questions: whom to ask.
        fqdn: its name.
        address: where it should be; without one only names are asked.
        selectors: DKIM selector by domain at home there.
        lists: block lists to ask.
        sends_mail: it is a node.
    """
    where = address or "0.0.0.0"  # noqa: S104 - an address that no SPF record allows
    asked = [known for known in lists if sends_mail and address and not known.domains]
    return HostNames(
        a=questions.ask(fqdn, "A"),
        ptr=questions.names_of(address) if address else Answer(),
        helo_spf=evaluate(questions, where, "", fqdn) if sends_mail else None,
        domains={
            domain: DomainNames(
                mx=questions.ask(domain, "MX"),
                spf=evaluate(questions, where, f"postmaster@{domain}", fqdn),
                dkim=questions.ask(f"{selector}._domainkey.{domain}", "TXT"),
                dmarc=questions.ask(f"_dmarc.{domain}", "TXT"),
                consents=_consents(questions, domain),
                listings={
                    known.zone: questions.ask(known.question(domain), "A") for known in lists if known.domains
                },
            )
            for domain, selector in selectors.items()
        },
        listings={known.zone: questions.ask(known.question(where), "A") for known in asked},
    )


def _consents(questions: Questions, domain: str) -> dict[str, Answer]:
    """For each foreign domain that gets a domain's reports: its consent (RFC 9990)."""
    others = report_domains(domain, questions.ask(f"_dmarc.{domain}", "TXT"))
    return {other: questions.ask(f"{domain}._report._dmarc.{other}", "TXT") for other in others}


def proofs(questions: Questions, lists: Sequence[BlockList]) -> dict[str, tuple[Answer, Answer]]:
    """The answers of each list for what it always and what it never lists, by zone."""
    return {
        known.zone: (
            questions.ask(known.question(known.listed), "A"),
            questions.ask(known.question(known.clean), "A"),
        )
        for known in lists
    }


def exchangers(questions: Questions, domain: str) -> tuple[str, ...]:
    """Addresses of a domain's mail servers, the preferred first; empty if there are none."""
    answer = questions.ask(domain, "MX")
    hosts = sorted((int(value.partition(" ")[0]), value.partition(" ")[2]) for value in answer.values)
    # A host without a name is a domain's way to say that it takes no mail (RFC 7505).
    return tuple(address for _, host in hosts if host for address in questions.ask(host, "A").values)
