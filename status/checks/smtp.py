"""The mail server as others meet it on port 25, and the certificates it shows."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding

CERTIFICATE_WARNING = 21 * 86_400.0
CERTIFICATE_FAILED = 7 * 86_400.0
"""Seconds left. An ACME client renews a month before the end; with three weeks left it has failed."""


def dialogue(subject: Subject) -> Iterator[Finding]:
    """The mail server greets with its name and offers TLS that works."""
    greeting = subject.greeting
    if greeting is None:
        return  # nothing answers, which the port's finding says
    judge = required(subject, "smtp")
    if greeting.problem:
        yield judge.failed(f"the dialogue ended early: {greeting.problem}", "See `journalctl -u postfix`.")
    elif greeting.name != subject.fqdn:
        yield judge.failed(
            f"greets as {greeting.name or 'nobody'}, not as {subject.fqdn}", "Is another server there?"
        )
    elif not greeting.starttls:
        yield judge.failed("offers no TLS", "See `journalctl -u postfix`: is its certificate readable?")
    else:
        yield judge.ok(f"{greeting.name}, TLS")


def mailboxes(subject: Subject) -> Iterator[Finding]:
    """Postmaster and abuse of every domain are accepted (RFC 5321 section 4.5.1, RFC 2142), and reports."""
    greeting = subject.greeting
    if greeting is None or greeting.problem:
        return
    judge = required(subject, "mailboxes")
    if greeting.refused:
        address, reply = next(iter(greeting.refused.items()))
        more = f", and {len(greeting.refused) - 1} more" if len(greeting.refused) > 1 else ""
        yield judge.failed(
            f"{address} is refused{more}: {reply}", f"`outreach apply --limit {subject.host}`."
        )
    else:
        yield judge.ok(f"{len(subject.recipients)} addresses accepted")


def certificates(subject: Subject) -> Iterator[Finding]:
    """The certificate lasts, and is the one that the ports show."""
    judge, facts = required(subject, "certificate"), subject.inside.facts
    yield from unread(subject, "certificate", judge)
    known = facts.certificate if facts else None
    ends = [shown.not_after for shown in subject.outside.certificates.values()]
    ends += [known.not_after] if known else []
    if not ends:
        return
    left = min(ends) - subject.inside.received
    if left <= 0:
        yield judge.failed(f"ended {span(-left)} ago", "Renew it: docs/going-live.md.")
    elif left < CERTIFICATE_FAILED:
        yield judge.failed(f"ends in {span(left)}", "Renew it now.")
    elif left < CERTIFICATE_WARNING:
        yield judge.warning(f"ends in {span(left)}", "It should have been renewed by now.")
    else:
        yield judge.ok(f"ends in {span(left)}")
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
