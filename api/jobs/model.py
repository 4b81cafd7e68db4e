"""What a validation job is, and what can be done with one; no HTTP, no database.

`api.jobs.local` keeps jobs on one machine. The fleet's engine offers the same over all nodes.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


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


class StorageBroken(JobError):
    """The job store cannot be read or written for a reason other than space."""


class Jobs(Protocol):
    """Jobs of all owners. Every method may raise `StorageBroken`."""

    async def submit(self, addresses: AsyncIterable[str], *, owner: str, key: str | None = None) -> Job:
        """Accept a list, whole or not at all.

        Args:
            addresses: As given by the owner, one item for each row, right or wrong.
            owner: Whose job it is.
            key: Idempotency key, unique for an owner as long as the job is kept: the same key with the same
                list gives the job that is there.

        Returns:
            The job, safe on disk. An empty list is a job that is done.

        Raises:
            IdempotencyConflict: the key belongs to another list.
            TooManyAddresses, StorageFull: see there.
            Exception: whatever `addresses` raises; nothing is kept then.
        """

    async def get(self, id: str, *, owner: str) -> Job:  # noqa: A002 - the field's name
        """One job.

        Raises:
            JobNotFound: see there.
        """

    async def list(self, *, owner: str, limit: int, before: str | None = None) -> list[Job]:
        """The owner's jobs, the youngest first; `before` an id for the next page."""

    def results(
        self,
        id: str,  # noqa: A002
        *,
        owner: str,
        after: int = 0,
        follow: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """Verdicts in the order in which they can be told: `{"seq": n, "row": place in the list, ...}`.

        The rest of a row is `validator.Verdict.to_dict()`. `seq` begins with 1 and grows. Nothing is ever
        added at or below a `seq` that was given out: who comes back with the last one they saw misses
        nothing and sees nothing twice.

        Args:
            id: The job's.
            owner: Whose job it is.
            after: Only rows behind this `seq`.
            follow: Go on until the job is over; else the stream ends when all rows known so far are out.

        Raises:
            JobNotFound: at the first step, or later if the job is pruned meanwhile.
        """

    async def cancel(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Stop for good; verdicts known so far stay. A job that is over stays as it is.

        Raises:
            JobNotFound: see there.
        """

    async def pause(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Stop until `resume`; nothing known is lost. A paused job stays as it is.

        Raises:
            JobNotFound, JobOver: see there.
        """

    async def resume(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Go on. A job that is not paused stays as it is.

        Raises:
            JobNotFound, JobOver: see there.
        """
