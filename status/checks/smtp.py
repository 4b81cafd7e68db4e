"""The mail server as others meet it on port 25."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import required
from status.facts import Subject
from status.finding import Finding


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
