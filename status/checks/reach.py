"""Can a host be asked at all."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import required
from status.facts import Subject
from status.finding import Finding


def reach(subject: Subject) -> Iterator[Finding]:
    """SSH answers, with the pinned host key. What a silent host has inside is not guessed at."""
    judge = required(subject, "reach")
    if subject.inside.facts is not None:
        yield judge.ok("answers over SSH")
    elif subject.address is None:
        yield judge.failed(
            "no address: the fleet file, the pinned host keys and DNS know none",
            f"`outreach apply` orders it; or write `ipv4:` for {subject.host} in the fleet file.",
        )
    elif subject.outside.silent:
        yield judge.failed(
            f"{subject.address} does not answer on any port",
            "Is it powered on? The provider's console tells.",
        )
    else:
        yield judge.failed(
            f"cannot be asked: {subject.inside.problem}", "See whether `outreach plan` reaches it."
        )
