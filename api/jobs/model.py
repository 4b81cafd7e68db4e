"""What can be done with validation jobs; no HTTP, no database.

`api.jobs.local` keeps jobs on one machine. The fleet's engine offers the same over all nodes; what a job is,
and what can be wrong with one, stands there.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from engine.model import Job


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
