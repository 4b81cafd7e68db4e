"""What carries the fleet's work: NATS with its streams, and the coordinator; of nodes see `fleet.workers`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.subjects import COLLECTOR, VERDICTS, WORK
from status.checks.judge import recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding
from status.sections import Stream

STORAGE_WARNING, STORAGE_FAILED = 0.70, 0.90
"""Shares of a stream's room. A full one refuses what comes: nothing is lost, and all work waits."""
UNSTORED = 300.0
"""Seconds. The coordinator stores verdicts as they come; it restarts, or waits for PostgreSQL, in less."""
UNDONE = 20 * 3600.0
"""Seconds. A node gives a chunk back after four hours, and after five tries it is taken apart."""
REDELIVERED = 20
"""Messages. A node that restarts gives that many back."""

_JOURNAL = "See `journalctl -u outreach-coordinator` there."


def streams(subject: Subject) -> Iterator[Finding]:
    """NATS keeps both streams, they have room, and what is in them moves."""
    judge, facts = required(subject, "nats"), subject.inside.facts
    yield from unread(subject, "nats", judge, of="nats-server")
    if facts is None or facts.nats is None:
        return
    missing = [name for name in (WORK, VERDICTS) if name not in facts.nats.streams]
    if not facts.nats.jetstream:
        yield judge.failed("JetStream is off: no work is carried", "See `journalctl -u nats-server` there.")
    elif missing:
        yield judge.failed(f"no stream {', '.join(missing)}: the coordinator makes it", _JOURNAL)
    else:
        yield judge.ok(f"{len(facts.nats.connected)} connections")
    for name, stream in facts.nats.streams.items():
        yield from _stream(subject, name, stream)


def _stream(subject: Subject, name: str, stream: Stream) -> Iterator[Finding]:
    share = stream.bytes / stream.most if stream.most > 0 else 0.0
    yield required(subject, "nats storage").measured(
        f"{share:.0%} of {stream.most / 2**30:.1f} GiB used",
        f"{_JOURNAL} Pause jobs: `outreach validate pause`.",
        name,
        failed=share > STORAGE_FAILED,
        warning=share > STORAGE_WARNING,
    )
    late = stream.oldest > (UNSTORED if name == VERDICTS else UNDONE)
    waits = f"{stream.messages} messages, the oldest {span(stream.oldest)}"
    yield recommended(subject, "nats lag").measured(
        waits if stream.messages else "empty",
        f"{_JOURNAL} `outreach validate jobs` tells what it belongs to.",
        name,
        failed=late and name == VERDICTS,
        warning=late,
    )
    often = stream.redelivered > REDELIVERED and stream.redelivered > stream.unsettled / 2
    yield recommended(subject, "nats redeliveries").measured(
        f"{stream.redelivered} of {stream.unsettled} in hand were handed out before",
        "Nodes die or are cut off: see `journalctl -u outreach-api` on them.",
        name,
        failed=False,
        warning=often,
    )


def coordinator(subject: Subject) -> Iterator[Finding]:
    """One coordinator is at work, on PostgreSQL and on NATS, and nothing stands in its way."""
    judge, facts = required(subject, "coordinator"), subject.inside.facts
    yield from unread(subject, "engine", judge, of="postgresql@17-main")
    if facts is None or facts.engine is None:
        return
    if facts.engine.at_work is None:
        yield judge.failed("none is at work: lists are not cut, verdicts not stored", _JOURNAL)
    elif facts.nats is not None and COLLECTOR not in facts.nats.connected:
        yield judge.failed("it is not connected to NATS", _JOURNAL)
    else:
        yield judge.ok(f"at work for {span(facts.engine.at_work)}")
    trouble = recommended(subject, "trouble")
    for what, line in facts.engine.troubles.items():
        yield trouble.warning(line, "It goes on by itself once that is over.", what)
