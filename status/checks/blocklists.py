"""Block lists: listed addresses and domains. An error of a list is never a listing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from status.blocklists import QUORUM, BlockList, Listing, read, trusted
from status.checks.judge import Judge
from status.facts import Answer, Subject
from status.finding import Finding, Weight

_LOOK = "Find and stop the cause before you ask for removal: docs/status.md."


def trust(
    lists: Sequence[BlockList], proofs: Mapping[str, tuple[Answer, Answer]]
) -> tuple[tuple[BlockList, ...], list[Finding]]:
    """Which lists may be believed now, and what is wrong with the others.

    Args:
        lists: those that are asked.
        proofs: their answers for what they always and what they never list, by zone.
    """
    judge = Judge("", "block list", Weight.RECOMMENDED)
    believed, findings = [], []
    for known in lists:
        if problem := trusted(known, *proofs[known.zone]):
            advice = "Ask through a resolver of your own (--resolver), or leave it out (--blocklist)."
            findings.append(judge.unknown(f"does not answer us: {problem}", advice, known.name))
        else:
            believed.append(known)
            findings.append(judge.ok("answers", known.name))
    return tuple(believed), findings


def listings(subject: Subject, believed: Sequence[BlockList]) -> Iterator[Finding]:
    """Neither the address nor a domain at home there is listed."""
    if not subject.sends_mail or subject.address is None:
        return
    yield from _judged(subject.host, subject.address, subject.names.listings, believed, domains=False)
    for domain, names in subject.names.domains.items():
        yield from _judged(subject.host, domain, names.listings, believed, domains=True)


def _judged(
    host: str, what: str, answers: Mapping[str, Answer], believed: Sequence[BlockList], *, domains: bool
) -> Iterator[Finding]:
    asked = [known for known in believed if known.domains is domains and known.zone in answers]
    if not asked:
        return
    found = [(known, read(known, answers[known.zone])) for known in asked]
    votes = sum(known.votes for known, listing in found if listing.codes)
    if votes >= QUORUM:
        yield Judge(host, "listed").failed(_listed(found), _LOOK, what)
    elif votes:
        yield Judge(host, "listed", Weight.RECOMMENDED).warning(_listed(found), _LOOK, what)
    elif all(listing.problem for _, listing in found):
        problem = found[0][1].problem
        yield Judge(host, "listed", Weight.RECOMMENDED).unknown(problem, "Ask again later.", what)
    else:
        answered = [known.name for known, listing in found if not listing.problem]
        yield Judge(host, "listed").ok(f"on none of {', '.join(answered)}", what)


def _listed(found: Sequence[tuple[BlockList, Listing]]) -> str:
    return "on " + ", ".join(
        f"{known.name} ({' '.join(listing.codes)})" for known, listing in found if listing.codes
    )
