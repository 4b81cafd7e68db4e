"""What a person sees: a verdict in lines, the live progress of a list, its summary."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from validator.output import Progress
from validator.status import Status
from validator.verdict import Verdict


def say(text: str) -> None:
    """One line of a command's own output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def for_people(verdict: Verdict) -> str:
    """A verdict, its facts, and its transcript if it has one."""
    lines = [f"{_printable(verdict.email)}: {verdict.label}. {verdict.details}"]
    facts = [f"confidence {verdict.confidence:.2f}"]
    if verdict.code:
        facts.append(f"{verdict.code} {verdict.enhanced} {verdict.reply}".replace("  ", " "))
    if verdict.mx_host:
        facts.append(f"{verdict.mx_host} ({verdict.operator})")
    facts += [word for word in ("disposable", "role", "free") if getattr(verdict, word)]
    if verdict.suggestion:
        facts.append(f"did you mean {verdict.suggestion}?")
    lines.append("  " + "; ".join(facts))
    lines.extend(f"    {line.who} {line.text}" for line in verdict.transcript or [])
    return "\n".join(lines)


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


@contextmanager
def live(source: str) -> Iterator[Any]:
    """A live line on stderr, if a person is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    total = _count_lines(source)
    began = time.monotonic()
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as line:

        def tick(progress: Progress, silent: list[str]) -> None:
            seconds = max(0.001, time.monotonic() - began)
            rate = (progress.done - progress.resumed) / seconds
            left = f", {_clock((total - progress.done) / rate)} left" if total and rate else ""
            statuses = "  ".join(f"{name} {count:,}" for name, count in progress.statuses.most_common(5))
            quiet = f"\nin cool-down: {', '.join(silent[:8])}" if silent else ""
            of = f" of {total:,}" if total else ""
            line.update(
                f"{progress.done:,}{of}  {rate:,.1f}/s{left}  in flight {progress.in_flight:,}\n"
                f"{statuses}{quiet}"
            )

        yield tick


def _count_lines(source: str) -> int:
    try:
        with open(source, "rb") as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except OSError:
        return 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def summary(progress: Progress, seconds: float, *, as_json: bool) -> None:
    """What a run has found: a table on stderr, or JSON on stdout."""
    fresh = progress.done - progress.resumed
    if as_json:
        out = {
            "done": progress.done,
            "resumed": progress.resumed,
            "duplicates": progress.duplicates,
            "seconds": round(seconds, 2),
            "per_second": round(fresh / seconds, 2) if seconds else None,
            "statuses": dict(progress.statuses),
        }
        say(json.dumps(out))
        return
    table = Table("status", "addresses", "share")
    for name, count in progress.statuses.most_common():
        table.add_row(Status(name).label, f"{count:,}", f"{count / progress.done:.1%}")
    console = Console(stderr=True)
    console.print(table)
    twins = f", {progress.duplicates:,} of them duplicates" if progress.duplicates else ""
    console.print(
        f"{progress.done:,} addresses{twins}, {fresh:,} in {_clock(seconds)} "
        f"({fresh / max(seconds, 1e-9):.1f}/s)"
    )
