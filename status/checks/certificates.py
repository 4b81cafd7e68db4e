"""Certificates: those of the mail servers, and those that the orchestrator shows."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import Judge, recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding

WARNING = 21 * 86_400.0
FAILED = 7 * 86_400.0
"""Seconds left. An ACME client renews a month before the end; with three weeks left it has failed."""


def of_mail(subject: Subject) -> Iterator[Finding]:
    """The mail servers' certificate lasts, and is the one that the ports show."""
    judge, facts = required(subject, "certificate"), subject.inside.facts
    yield from unread(subject, "certificate", judge)
    known = facts.certificate if facts else None
    ends = [shown.not_after for shown in subject.outside.certificates.values()]
    ends += [known.not_after] if known else []
    if not ends:
        return
    yield _lasts(judge, min(ends) - subject.inside.received, "Renew it: docs/going-live.md.")
    others = [
        str(port)
        for port, shown in subject.outside.certificates.items()
        if known and shown.fingerprint != known.fingerprint
    ]
    if others:
        yield recommended(subject, "certificate shown").warning(
            f"port {', '.join(others)} shows another certificate than the one on disk",
            "`systemctl reload postfix dovecot` there.",
        )
    elif known and subject.outside.certificates:
        yield recommended(subject, "certificate shown").ok("the one on disk")


def of_the_hub(subject: Subject) -> Iterator[Finding]:
    """What NATS shows the nodes, and Caddy people, lasts."""
    judge, facts = required(subject, "certificate"), subject.inside.facts
    if facts is None:
        return
    again = f"`outreach apply --limit {subject.host}`."
    for about, unit, shown, advice in (
        ("nats", "nats-server", facts.nats_certificate, again),
        ("web", "caddy", facts.web_certificate, "See `journalctl -u caddy` there."),
    ):
        yield from unread(subject, f"{about}_certificate", judge, about, of=unit)
        if shown:
            yield _lasts(judge, shown.not_after - facts.ended, advice, about)


def _lasts(judge: Judge, left: float, advice: str, about: str = "") -> Finding:
    if left <= 0:
        return judge.failed(f"ended {span(-left)} ago", advice, about)
    says = f"ends in {span(left)}"
    return judge.measured(says, advice, about, failed=left < FAILED, warning=left < WARNING)
