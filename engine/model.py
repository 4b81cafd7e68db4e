"""What a validation job is, in words and errors; no database, no network.

The same for jobs of one machine (`api.jobs`) and of a fleet, so that one caller, and one handler of errors,
serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def over(self) -> bool:
        """No verdict will be added any more."""
        return self in {State.DONE, State.CANCELLED, State.FAILED}


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment.

    Attributes:
        id: 32 hexadecimal digits.
        owner: Name of the API key that submitted it; no other sees it.
        state: See `State`.
        total: Addresses in the list, duplicates included.
        done: Those among them with a verdict.
        counts: Verdicts by the name of their `validator.Status`; a status without any is left out.
        created: When it was accepted, UTC.
        finished: When it was over, UTC.
        error: Why it failed or stands still, in one line for people.
        eta_seconds: Until it is done at the present rate; None while that is not known.
        rate: Verdicts a second, of late.
        cooling: Operators that asked for silence just now.
    """

    id: str
    owner: str
    state: State
    total: int
    done: int
    counts: Mapping[str, int]
    created: datetime
    finished: datetime | None = None
    error: str | None = None
    eta_seconds: float | None = None
    rate: float | None = None
    cooling: tuple[str, ...] = ()


class JobError(Exception):
    """What was asked cannot be done; the message is one line for people."""


class JobNotFound(JobError):
    """The owner has no such job, or it was pruned."""


class JobOver(JobError):
    """The job has ended, so it can be neither paused nor resumed."""


class IdempotencyConflict(JobError):
    """The key was used for another list."""


class TooManyAddresses(JobError):
    """The list is longer than a job may be; nothing of it was kept."""


class StorageFull(JobError):
    """There is no space to keep the job; nothing of it was kept, and the same call may succeed later."""


class NobodyAtWork(JobError):
    """No node has given a sign of life of late, so whoever waits for an answer waits in vain."""


class StorageBroken(JobError):
    """What keeps the jobs cannot be reached, read or written, for a reason other than space."""
