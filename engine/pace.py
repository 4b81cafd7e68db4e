"""The coordinator's times and sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Times and sizes; the defaults are for a fleet, tests have shorter ones.

    Attributes:
        ack_wait: Seconds without a sign of life after which a chunk goes to another node.
        poll: Seconds between two looks for something to hand out.
        sweep: Seconds between two looks for chunks that the streams have lost.
        alive: Seconds since its heartbeat for which a node counts.
        work_bytes: Most that waiting chunks may take on NATS' disk.
        verdict_bytes: Most that verdicts not yet stored may take there.
        keep_days: Days a job is kept after its end.
    """

    ack_wait: float = 30.0
    poll: float = 0.5
    sweep: float = 30.0
    alive: float = 30.0
    work_bytes: int = 1 << 30
    verdict_bytes: int = 2 << 30
    keep_days: float = 30.0
