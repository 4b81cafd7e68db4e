"""The orchestrator looks at its fleet: what its timer starts every hour."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from notifier import Message, MessageError, Notifier, OutboxError, TokenRefusedError
from status.difference import Change, Memory, changes, load, remember, save
from status.facts import Outside
from status.files import write
from status.finding import Report
from status.outside import SMTP, look
from status.render import as_json
from status.telling import news

AGAIN = 60.0
"""Seconds after which what changed is looked at once more: what restarts just then is no news."""
WAIT = 20.0
"""Seconds for Telegram; what is queued then goes out by `outreach-notifier`."""


@dataclass(frozen=True)
class Kept:
    """Where a run leaves what it saw.

    Args:
        memory: what the next run is compared with.
        report: the whole report, JSON.
    """

    memory: Path
    report: Path


def watch(
    survey: Callable[[], Report],
    kept: Kept,
    team: Notifier | None,
    again: float = AGAIN,
) -> tuple[Report, list[Change]]:
    """Look, keep the report, and tell the team what changed; what it could not be told is news again.

    Args:
        survey: looks at the whole fleet.
        kept: files.
        team: None where no bot is configured: then nobody is told.
        again: see :data:`AGAIN`; 0 for one look alone.

    Raises:
        StateError: a file cannot be read or written.
    """
    memory = load(kept.memory) or Memory({})
    report = survey()
    if again and changes(memory, report):
        time.sleep(again)
        report = survey()
    changed = changes(memory, report)
    write(kept.report, json.dumps(as_json(report)))
    if not changed or team is None or _tell(team, *news(report, changed)):
        save(kept.memory, remember(memory, report))
    return report, changed


def _tell(team: Notifier, message: Message, what: str) -> bool:
    """Whether it is told, or will be."""
    try:
        return team.send(message, wait=WAIT, dedupe_key=what).told
    except (MessageError, OutboxError, TokenRefusedError):
        return False


def look_from_the_hub(address: str, ports: Sequence[int], recipients: Sequence[str]) -> Outside:
    """A host as seen from the orchestrator, which nothing leaves by port 25: nodes knock there themselves."""
    return look(address, [port for port in ports if port != SMTP], recipients)
