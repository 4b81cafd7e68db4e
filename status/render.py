"""A report for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from status.difference import Change
from status.finding import Finding, Level, Report, worst

FLEET = "(fleet)"
MOST_TOLD = 20
"""Changes in one message."""
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILED: "bold red", Level.UNKNOWN: "magenta"}


def show(console: Console, report: Report) -> None:
    """One line a host, and below it what is not fine."""
    table = _table("host", "status", "check", "what")
    for host in (*report.hosts, ""):
        found = report.of(host)
        bad = [finding for finding in found if finding.level is not Level.OK]
        if not host and not bad:
            continue
        level = worst(found)
        table.add_row(host or FLEET, _word(level), "", f"{len(found)} checks" if host else "")
        for finding in bad:
            table.add_row("", _word(finding.level), Text(finding.title), _what(finding))
    console.print(table)
    console.print(summary(report))


def show_changes(console: Console, changed: Sequence[Change]) -> None:
    """One line a change; nothing at all where nothing changed."""
    if not changed:
        return
    table = _table("host", "status", "check", "what")
    for change in changed:
        host, check, about = change.key
        before = f"was {change.before}" if change.before else "new"
        if change.now is None:
            what: Text = Text(f"not there any more; {before}: {change.said}")
            table.add_row(host or FLEET, "gone", Text(f"{check} {about}".strip()), what)
            continue
        what = _what(change.now)
        what.append(f" ({before})", style="dim")
        table.add_row(host or FLEET, _word(change.now.level), Text(change.now.title), what)
    console.print(table)


def summary(report: Report) -> str:
    """One line over all."""
    counts = ", ".join(f"{report.count(level)} {level}" for level in Level)
    needed = sum(finding.broken for finding in report.findings)
    end = f"{needed} required not fine" if needed else "all that is required is fine"
    return f"{len(report.hosts)} hosts, {len(report.findings)} checks: {counts}; {end}"


def told(report: Report, changed: Sequence[Change]) -> str:
    """The changes as plain text for a message, the worst first; what is too much is counted."""
    ranked = sorted(changed, key=lambda change: -change.now.level.rank if change.now else 1)
    lines = [_told(change) for change in ranked[:MOST_TOLD]]
    if len(ranked) > MOST_TOLD:
        lines.append(f"and {len(ranked) - MOST_TOLD} more: outreach status")
    return "\n".join([*lines, summary(report)])


def _told(change: Change) -> str:
    host, check, about = change.key
    what = f"{host or FLEET} {check} {about}".strip()
    before = f"was {change.before}" if change.before else "new"
    if change.now is None:
        return f"{what}: not there any more ({before})"
    return f"{what}: {change.now.level}: {change.now.says} ({before})"


def as_json(report: Report, changed: Sequence[Change] | None = None) -> dict[str, Any]:
    """The report as JSON values: described in docs/status.md."""
    found = {
        "version": 1,
        "fleet": report.fleet,
        "at": datetime.fromtimestamp(report.at, UTC).isoformat(timespec="seconds"),
        "fine": report.fine,
        "hosts": [
            {"host": host, "level": str(worst(report.of(host))), "answers": host not in report.unseen}
            for host in report.hosts
        ],
        "summary": {str(level): report.count(level) for level in Level},
    }
    if changed is None:
        return found | {"findings": [_finding(finding) for finding in report.findings]}
    return found | {"changes": [_change(change) for change in changed]}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "host": finding.host,
        "check": finding.check,
        "about": finding.about,
        "level": str(finding.level),
        "weight": str(finding.weight),
        "says": finding.says,
        "advice": finding.advice,
    }


def _change(change: Change) -> dict[str, Any]:
    host, check, about = change.key
    gone = {"host": host, "check": check, "about": about, "level": None, "weight": None}
    now = _finding(change.now) if change.now else {**gone, "says": change.said, "advice": ""}
    return now | {"before": str(change.before) if change.before else None}


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("host", "status"))
    return table


def _word(level: Level) -> Text:
    return Text(str(level), style=_STYLES[level])


def _what(finding: Finding) -> Text:
    """What was seen and what to do, as plain text: it holds what others said."""
    said = Text(finding.says)
    if finding.advice:
        said.append(f"\n{finding.advice}", style="dim")
    return said
