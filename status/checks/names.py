"""HELO, A and PTR are one name: what large receivers ask first (RFC 1912 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, unread
from status.facts import Subject
from status.finding import Finding

_APPLY = "`outreach plan --only servers,dns` tells what the provider has."


def address(subject: Subject) -> Iterator[Finding]:
    """Its name has its address, and no other."""
    judge, answer = required(subject, "a"), subject.names.a
    if subject.address is None:
        return
    if answer.problem:
        yield judge.unknown(f"{subject.fqdn}: {answer.problem}", "Is its zone delegated?")
    elif answer.values == (subject.address,):
        yield judge.ok(f"{subject.fqdn} is {subject.address}")
    else:
        found = ", ".join(answer.values) or "nothing"
        yield judge.failed(f"{subject.fqdn} is {found}, not {subject.address}", _APPLY)


def reverse(subject: Subject) -> Iterator[Finding]:
    """Its address points back to its name: required where mail is sent from."""
    if subject.address is None:
        return
    judge = (required if subject.sends_mail else recommended)(subject, "ptr")
    answer = subject.names.ptr
    if answer.problem:
        yield judge.unknown(f"{subject.address}: {answer.problem}", "The provider serves this zone.")
    elif answer.values == (subject.fqdn,):
        yield judge.ok(f"{subject.address} is {subject.fqdn}")
    else:
        found = " and ".join(answer.values) or "nothing"
        yield judge.failed(f"{subject.address} points to {found}, not to {subject.fqdn}", _APPLY)


def helo(subject: Subject) -> Iterator[Finding]:
    """Postfix gives this name and sends from this address; SPF lets the name do so."""
    if not subject.sends_mail:
        return
    judge, facts = required(subject, "helo"), subject.inside.facts
    yield from unread(subject, "mail", judge)
    if facts and facts.mail:
        again = f"`outreach apply --limit {subject.host}`"
        if facts.mail.helo != subject.fqdn:
            yield judge.failed(f"HELO is {facts.mail.helo}, not {subject.fqdn}", again)
        elif facts.mail.bind != subject.address:
            yield judge.failed(f"sends from {facts.mail.bind}, not {subject.address}", again)
        else:
            yield judge.ok(f"{facts.mail.helo} from {facts.mail.bind}")
    verdict = subject.names.helo_spf
    if verdict and subject.address:
        bounces = recommended(subject, "helo spf")
        if verdict.result == "pass":
            yield bounces.ok("pass: bounces are let through")
        else:
            yield bounces.failed(f"{verdict.result}: {verdict.says}", f"{subject.fqdn} TXT; {_APPLY}")
