"""What changed since the last run: levels, not figures, so that a shrinking disk is said once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from status.files import StateError, write
from status.finding import Finding, Level, Report

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Memory:
    """What the last run left: level and words by finding."""

    findings: Mapping[Key, tuple[Level, str]]


@dataclass(frozen=True)
class Change:
    """A finding whose level is not what it was.

    Args:
        now: the finding as it is; None if the thing is not there any more.
        before: how it was; None if it is new.
        key: which finding.
        said: what was said of it before.
    """

    key: Key
    now: Finding | None
    before: Level | None
    said: str = ""


def changes(memory: Memory, report: Report) -> list[Change]:
    """What is different, in the order of the report; what was never bad and is gone is not told.

    What a host says of itself stays as it was while the host cannot be asked.
    """
    found = []
    for finding in report.findings:
        before = memory.findings.get(finding.key)
        if before is None and finding.level is Level.OK:
            continue
        if before is None or before[0] is not finding.level:
            found.append(Change(finding.key, finding, *(before or (None, ""))))
    for key in _gone(memory, report):
        level, said = memory.findings[key]
        if level is not Level.OK:
            found.append(Change(key, None, level, said))
    return found


def remember(memory: Memory, report: Report) -> Memory:
    """What the next run is compared with: this one, over what of the last was not looked at again."""
    gone = set(_gone(memory, report))
    kept = {key: value for key, value in memory.findings.items() if key not in gone}
    return Memory(kept | {finding.key: (finding.level, finding.says) for finding in report.findings})


def _gone(memory: Memory, report: Report) -> list[Key]:
    """Findings of the last run that this one would have made if there still were something to find."""
    there = {finding.key for finding in report.findings}
    looked = set(report.hosts) - report.unseen
    return [
        key
        for key in memory.findings
        if key not in there and (key[0] in looked or (report.whole and key[0] not in report.hosts))
    ]


def state_file(fleet_file: Path, environ: Mapping[str, str]) -> Path:
    """Where a fleet's last run is kept: in `$XDG_STATE_HOME`, by the path of its file."""
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    path = fleet_file.absolute()
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return Path(base) / "outreach" / f"status-{path.stem}-{mark}.json"


def load(path: Path) -> Memory | None:
    """The last run; None if there was none.

    Raises:
        StateError: the file is there and cannot be read.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["findings"]
        return Memory({tuple(row["key"]): (Level(row["level"]), row["says"]) for row in rows})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise StateError(f"{path} is not what the last run wrote; remove it to begin anew") from None


def save(path: Path, memory: Memory) -> None:
    """Keep a run, as a whole or not at all.

    Raises:
        StateError: it cannot be written.
    """
    rows = [
        {"key": list(key), "level": str(level), "says": said}
        for key, (level, said) in sorted(memory.findings.items())
    ]
    write(path, json.dumps({"version": 1, "findings": rows}, indent=0))
