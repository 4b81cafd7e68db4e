"""What the design needs at 3, 8, 100 and 700 nodes against what NATS and PostgreSQL bear; nothing runs.

Every figure comes from the engine's own constants, from messages that its own code encodes, or from a limit
with its source. Rates are those of a fleet at full work all day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import subjects
from engine.hand import BATCH
from engine.manner import Manner
from engine.messages import MOST_BYTES, Chunk, Report
from engine.operators import MISC, MOST, queues
from engine.pace import Pace
from engine.streams import MOST_UNSETTLED, MOST_WAITING
from engine.term import BATCH as REPORTS
from engine.term import GATHER
from validator import Stage, Status, Verdict

NODES = (3, 8, 100, 700)
ADDRESSES_AN_HOUR = 3000
"""Of a node with one source address and a mixed list within the default budgets (docs/validator.md)."""

DAY = 86_400

SERVER = "docs.nats.io/running-a-nats-service/configuration"
CONSUMER = "docs.nats.io/nats-concepts/jetstream/consumers"
SETTING = "the engine's own setting"

THOUSANDS = 1000
"""Consumers of one stream that the documentation of JetStream calls fine."""

FETCHES = 17_900
"""Messages a second fetched and acknowledged, measured on two cores with nats-server 2.9."""

SYNCS = 1100
"""Transactions a second that PostgreSQL committed on the same machine."""

DISK = 100 * 10**9
"""Bytes for results on the orchestrator. More nodes at full work want a larger disk, or fewer `keep_days`."""

ROW_OVERHEAD = 24 + 4 + 16 + 16
"""Bytes of a PostgreSQL row besides its values: header, pointer, and an entry in each of two indexes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that grows, at one size of the fleet.

    Attributes:
        what: What is counted.
        needed: At this size.
        borne: At most; the limit as it is set, where it can be set.
        source: Of the limit.
    """

    what: str
    needed: float
    borne: float
    source: str

    @property
    def fits(self) -> bool:
        """Whether the design carries."""
        return self.needed <= self.borne


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of what the engine sends and stores, from examples that it encodes itself."""

    chunk: int
    report: int
    verdict: int
    address: int


def sizes() -> Sizes:
    """A full chunk, a full report, and a share of each."""
    rows = tuple(
        (place, f"firstname.lastname{place}@company-{place}.example") for place in range(1, MOST + 1)
    )
    job = "f" * 32
    found = Verdict(
        "",
        Status.MAILBOX_NOT_FOUND,
        "no_such_user",
        "The mail server says that this mailbox does not exist.",
        0.98,
        Stage.RCPT,
        code=550,
        enhanced="5.1.1",
        mx_host="aspmx.l.google.com",
        operator="google",
        source_ip="203.0.113.1",
        rule="google.no_such_user",
        reply="550 5.1.1 The email account that you tried to reach does not exist. Please try again." * 2,
        attempts=1,
    )
    verdicts = tuple((place, {**found.to_dict(), "email": email}) for place, email in rows[:BATCH])
    report = len(Report(job, 1, 1, verdicts).encode())
    return Sizes(len(Chunk(job, 1, 1, MISC, rows).encode()), report, report // BATCH, len(rows[-1][1]))


def table(nodes: int) -> Iterator[Row]:
    """Everything that grows, for a fleet of so many nodes."""
    manner, pace, size, kinds = Manner(), Pace(), sizes(), len(queues())
    rate = nodes * ADDRESSES_AN_HOUR / 3600
    chunks = rate / min(queues().values())  # as if all were as short as the shortest
    signs = nodes * (1 / manner.heartbeat + 2 * kinds / manner.progress)
    waiting = (nodes + 1) * kinds * size.chunk  # `Term` keeps one a node, and one, in each queue
    held = 2 * nodes * kinds * size.chunk  # the one in work and the next
    stored = 2 * ROW_OVERHEAD + size.verdict + size.address
    yield Row("connections", nodes + 1, 64 * 1024, f"{SERVER}: max_connections")
    yield Row("consumers of a stream", kinds, THOUSANDS, f"{CONSUMER}: one a queue, not one a node")
    yield Row("questions that wait at a consumer", nodes, MOST_WAITING, f"{CONSUMER}: max_waiting, as set")
    yield Row("chunks of a queue in hands", 2 * nodes, MOST_UNSETTLED, f"{CONSUMER}: MaxAckPending, as set")
    yield Row("bytes of a chunk of 500", size.chunk, 1 << 20, f"{SERVER}: max_payload, as set")
    yield Row("bytes of a report of 100", size.report, 1 << 20, f"{SERVER}: max_payload, as set")
    yield Row("bytes of the longest message", 1.1 * MOST_BYTES, 1 << 20, f"{SERVER}: max_payload, as set")
    yield Row("bytes of reports fetched at once", REPORTS * size.report, 64 << 20, f"{SERVER}: max_pending")
    yield Row("chunks and reports a second", rate + chunks, FETCHES, "measured on two cores")
    yield Row("signs of life a second", signs, FETCHES, "measured on two cores")
    yield Row("transactions a second", min(rate, 1 / GATHER), SYNCS, "measured on two cores")
    yield Row("bytes of chunks on NATS' disk", waiting + held, pace.work_bytes, f"{SETTING} work_bytes")
    yield Row(
        "bytes of verdicts in an hour without PostgreSQL",
        3600 * rate * size.verdict,
        pace.verdict_bytes,
        f"{SETTING} verdict_bytes",
    )
    yield Row(
        "bytes of both streams",
        pace.work_bytes + pace.verdict_bytes,
        subjects.Server("", "").most_file,
        f"{SETTING} most_file",
    )
    yield Row("bytes of results of keep_days", pace.keep_days * DAY * rate * stored, DISK, "the disk")


def size(_: Path) -> dict[str, Any]:
    """Print the table; the last row is the operator's choice and breaks nothing."""
    rows = [list(table(nodes)) for nodes in NODES]
    heads = "".join(f"{f'{nodes} nodes':>18}" for nodes in NODES)
    print(f"{'':48}{heads}{'borne':>18}  limit")
    for same in zip(*rows, strict=True):
        needs = "".join(f"{row.needed:>14,.0f} {'ok ' if row.fits else 'NO '}" for row in same)
        print(f"{same[0].what:48}{needs}{same[0].borne:>18,.0f}  {same[0].source}")
    return {"kept": all(row.fits for same in rows for row in same[:-1])}
