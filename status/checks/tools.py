"""Our own tools on a host: the release it runs, and its API."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, unread
from status.facts import Subject
from status.finding import Finding


def release(subject: Subject) -> Iterator[Finding]:
    """The release that was pushed is the one that runs, and its API answers."""
    judge, facts = required(subject, "tools"), subject.inside.facts
    yield from unread(subject, "release", judge)
    if facts is None or facts.release is None:
        return
    found, again = facts.release, f"`outreach apply --limit {subject.host}`."
    if found.current != found.version:
        yield judge.failed(f"{found.version} is pushed, {found.current or 'nothing'} is linked", again)
    else:
        yield judge.ok(found.version)
    api = recommended(subject, "api")
    if found.health_problem or found.health == 0:
        yield api.failed(
            f"does not answer: {found.health_problem or 'no HTTP'}", "See `journalctl -u outreach-api`."
        )
    elif found.health is not None and found.health != 200:
        yield api.failed(f"/health answers {found.health}", "See `journalctl -u outreach-api`.")
    elif found.health is not None and found.health_version != found.version:
        yield api.failed(f"{found.health_version or 'no version'} answers, {found.version} is pushed", again)
    elif found.health is not None:
        yield api.ok(f"healthy, {found.health_version}")
