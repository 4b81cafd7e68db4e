"""Where the fleet's nodes do the asking: the orchestrator's port 25 is closed, and its name sends no mail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from api.config import FleetTable
from api.uploads import in_memory
from engine.jobs import FleetJobs
from engine.model import JobError
from validator import Verdict

log = logging.getLogger("api.fleet")

OWNER = ":validate"
"""Whose the small jobs behind `/validate` are; no key can have this name."""

GATHER = 0.02
"""Seconds for which an address waits for others: those of one call, and of calls beside it, are one job."""

_Asked = tuple[str, asyncio.Future[Verdict]]


class FleetChecker:
    """`api.checking.Checker` over the fleet: each batch is a small job that goes before all others.

    Args:
        jobs: The fleet's.
    """

    def __init__(self, jobs: FleetJobs) -> None:
        self._jobs = jobs
        self._gathered: list[_Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self, address: str, *, patient: bool = True) -> Verdict:  # noqa: ARG002 - the protocol's
        """The verdict; cancelled, the address is not asked for any more once nobody wants its batch.

        Args:
            address: The address.
            patient: Of no account: whoever waits is never made to wait for a greylist.

        Raises:
            JobError: the fleet's jobs cannot be used, or no node is at work.
        """
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._gathered.append((address, future))
        if len(self._gathered) == 1:
            task = asyncio.create_task(self._batch())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def close(self) -> None:
        """Stop following; what is under way is forgotten by itself."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _batch(self) -> None:
        await asyncio.sleep(GATHER)
        asked, self._gathered = self._gathered, []
        try:
            await self._carry(asked)
        except JobError as error:
            _refuse(asked, error)
        except Exception as error:  # whoever waits must not wait for ever
            log.exception("a batch of %d addresses", len(asked))
            _refuse(asked, error)

    async def _carry(self, asked: Sequence[_Asked]) -> None:
        await self._jobs.need_nodes()
        addresses = in_memory([address for address, _ in asked])
        job = await self._jobs.submit(addresses, owner=OWNER, express=True)
        wanted = asyncio.gather(*(future for _, future in asked), return_exceptions=True)
        follow = asyncio.create_task(self._follow(job.id, asked))
        try:
            # When the last caller has its answer, or is gone, there is nothing more to follow.
            await asyncio.wait((wanted, follow), return_when=asyncio.FIRST_COMPLETED)
            if follow.done():
                follow.result()
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            if not all(future.done() and not future.cancelled() for _, future in asked):
                with contextlib.suppress(JobError):
                    await self._jobs.cancel(job.id, owner=OWNER)

    async def _follow(self, job: str, asked: Sequence[_Asked]) -> None:
        async for row in self._jobs.results(job, owner=OWNER, follow=True):
            address, future = asked[row["row"] - 1]
            if not future.done():
                future.set_result(Verdict.from_dict({**row, "email": address}))


@asynccontextmanager
async def fleet_jobs(table: FleetTable, most: int) -> AsyncIterator[tuple[FleetChecker, FleetJobs]]:
    """The fleet, for a service's life. A database that is not there yet refuses calls, not the start."""
    jobs = FleetJobs(table.database, most=most, poll=0.25)
    try:
        await jobs.migrate()
    except JobError as error:
        log.warning("%s", error)
    checker = FleetChecker(jobs)
    try:
        yield checker, jobs
    finally:
        await checker.close()


def _refuse(asked: Sequence[_Asked], error: Exception) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(error)
            future.exception()  # its caller may be gone
