"""What would be left of the orchestrator if its host were gone."""

from __future__ import annotations

from collections.abc import Iterator

from status.checks.judge import recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding
from status.sections import Backups

OLD, LOST = 26 * 3600.0, 50 * 3600.0
"""Seconds: a night was missed, or two."""
UNPULLED = 7 * 86_400.0
"""Seconds. An archive that lies where it was made is lost with the host."""


def backups(subject: Subject) -> Iterator[Finding]:
    """An archive is made every night, and somebody has it elsewhere."""
    judge, facts = required(subject, "backup"), subject.inside.facts
    if subject.backups is False:
        yield recommended(subject, "backup").warning(
            "none: the fleet file has no `backups`", "fleet.yaml shows how to write it; see docs/backups.md."
        )
    if not subject.backups or facts is None:
        return
    yield from unread(subject, "backups", judge)
    found = facts.backups
    if found is None:
        if "backups" not in facts.errors:
            yield judge.failed("not set up", f"`outreach apply --limit {subject.host}`.")
        return
    age = facts.ended - (found.newest or found.since)
    yield judge.measured(
        _says(found, age), "See `journalctl -u outreach-backup` there.", failed=age > LOST, warning=age > OLD
    )
    pulled = recommended(subject, "backup pulled")
    waited = facts.ended - (found.pulled or found.since)
    if waited > UNPULLED:
        says = f"not for {span(waited)}" if found.pulled else f"never, in {span(waited)}"
        yield pulled.warning(says, "`outreach backup`.")
    else:
        yield pulled.ok(f"{span(waited)} ago" if found.pulled else "not yet")


def _says(found: Backups, age: float) -> str:
    if found.newest is None:
        return f"none yet, set up {span(age)} ago"
    return f"{found.archives} archives, the newest {span(age)} old, {found.size / 1e6:,.1f} MB"
