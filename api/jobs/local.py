"""Jobs of one machine: a SQLite file and the validator of this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from api.jobs.forms import Digest, encode
from api.jobs.runner import Runner
from api.jobs.store import Store, Stored
from api.jobs.threads import Threads
from api.jobs.twins import find_twins
from engine.model import IdempotencyConflict, Job, JobError, JobOver, State, TooManyAddresses
from validator import Validator

log = logging.getLogger("api.jobs")
T = TypeVar("T")

# Addresses written in one transaction.
_BATCH = 5000
# Results read at once.
_PAGE = 100
_SWEEP_EVERY, _SWEEP_SOON = 3600.0, 60.0


class LocalJobs:
    """`api.jobs.Jobs` in one process; use as `async with`, inside the validator's.

    Args:
        path: The SQLite file. One process works on it at a time.
        validator: Open; shared with others.
        most_addresses: Longest list accepted.
        keep_days: A job is removed so long after it was over.
        reserve: Bytes of the disk that a new list must leave free: to jobs that run, and to others.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        validator: Validator,
        *,
        most_addresses: int = 1_000_000,
        keep_days: float = 30.0,
        reserve: int = 64 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._validator = validator
        self._most = most_addresses
        self._keep = keep_days * 86400.0
        self._clock = clock
        self._threads = Threads(path, reserve)
        self._rests: set[int] = set()
        self._keys: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._under_way: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> LocalJobs:
        """Open the store and go on where the last process stopped.

        Raises:
            StorageFull, StorageBroken: it cannot be used.
        """
        await self._threads.open()
        # Only now are these a dead process's: those of this one come later.
        self._rests.update(await self._threads.read(Store.hidden))
        self._runner = Runner(self._threads, self._validator, self._clock)
        for stored in await self._threads.read(Store.unfinished):
            self._runner.take_up(stored)
        self._runner.start()
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is known and close; the next process goes on."""
        self._sweeper.cancel()
        await asyncio.gather(self._sweeper, *self._under_way, return_exceptions=True)
        await self._runner.stop()
        await self._threads.close()

    # --- accepting --------------------------------------------------------------------------------

    async def submit(self, addresses: AsyncIterable[str], *, owner: str, key: str | None = None) -> Job:
        """See `Jobs`."""
        if key is None:
            return await self._accept(addresses, owner, None)
        lock = self._keys.setdefault((owner, key), asyncio.Lock())
        async with lock:
            known = await self._threads.read(Store.by_key, owner, key)
            if known is None:
                return await self._accept(addresses, owner, key)
            stored, digest = known
            if await self._digest(addresses) != digest:
                raise IdempotencyConflict(f"the idempotency key belongs to job {stored.job.id}, another list")
            return self._runner.alive(stored)

    async def _accept(self, addresses: AsyncIterable[str], owner: str, key: str | None) -> Job:
        now = self._clock()
        number = await self._whole(self._threads.write(Store.begin, owner, now))
        try:
            total, digest = await self._take_in(number, addresses)
            repeats = await self._mark_twins(number)
        except BaseException:
            await self._whole(self._discard(number))
            raise
        return await self._whole(self._finish(number, total, repeats, key, digest))

    async def _take_in(self, number: int, addresses: AsyncIterable[str]) -> tuple[int, bytes]:
        digest, total = Digest(), 0
        async for batch in _batches(addresses):
            if total + len(batch) > self._most:
                raise TooManyAddresses(f"a job may have {self._most:,} addresses; this list has more")
            digest.add(batch)
            first = total + 1
            await self._threads.write(Store.append, number, first, batch)
            total += len(batch)
        return total, digest.value()

    async def _mark_twins(self, number: int) -> int:
        repeats = 0
        found = find_twins(self._path, number, _BATCH)
        try:
            while pairs := await asyncio.to_thread(next, found, None):
                await self._threads.write(Store.mark_twins, number, pairs)
                repeats += len(pairs)
        finally:
            await self._whole(asyncio.to_thread(found.close))
        return repeats

    async def _finish(self, number: int, total: int, repeats: int, key: str | None, digest: bytes) -> Job:
        try:
            stored = await self._threads.write(Store.accept, number, total, repeats, key, digest)
        except BaseException:
            await self._discard(number)
            raise
        if not stored.job.state.over:
            self._runner.take_up(stored)
        return self._runner.alive(stored)

    async def _discard(self, number: int) -> None:
        """Remove what was kept of a job; what a full disk does not let go, the next sweep removes."""
        self._rests.add(number)
        try:
            await self._forget(number)
        except JobError as error:
            log.warning("rest of a list that was not accepted: %s", error)

    @staticmethod
    async def _digest(addresses: AsyncIterable[str]) -> bytes:
        digest = Digest()
        async for batch in _batches(addresses):
            digest.add(batch)
            await asyncio.sleep(0)
        return digest.value()

    # --- looking ----------------------------------------------------------------------------------

    async def get(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """See `Jobs`."""
        return self._runner.alive(await self._stored(id, owner))

    async def list(self, *, owner: str, limit: int, before: str | None = None) -> list[Job]:
        """See `Jobs`."""
        found = await self._threads.read(Store.page, owner, limit, before)
        return [self._runner.alive(stored) for stored in found]

    async def results(
        self,
        id: str,  # noqa: A002
        *,
        owner: str,
        after: int = 0,
        follow: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """See `Jobs`."""
        while True:
            # Both are taken before the rows are read: what comes later is seen the next time round.
            news = self._runner.news
            stored = await self._stored(id, owner)
            page = await self._threads.read(Store.results, stored.number, after, _PAGE)
            for row in page:
                yield row
                after = row["seq"]
            if len(page) == _PAGE:
                continue
            if not follow or stored.job.state.over:
                return
            await news.wait()

    async def _stored(self, job_id: str, owner: str) -> Stored:
        return await self._threads.read(Store.get, job_id, owner)

    # --- steering ---------------------------------------------------------------------------------

    async def cancel(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """See `Jobs`."""
        return await self._whole(self._cancel(id, owner))

    async def pause(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """See `Jobs`."""
        return await self._whole(self._pause(id, owner))

    async def resume(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """See `Jobs`."""
        return await self._whole(self._resume(id, owner))

    async def _cancel(self, job_id: str, owner: str) -> Job:
        stored = await self._stored(job_id, owner)
        if not stored.job.state.over:
            stored = await self._move(stored, State.CANCELLED)
            self._runner.drop(stored.number)
        return stored.job

    async def _pause(self, job_id: str, owner: str) -> Job:
        stored = await self._stored(job_id, owner)
        if not stored.job.state.over:
            stored = await self._move(stored, State.PAUSED)
            self._runner.pause(stored.number)
        return _not_over(stored, "paused")

    async def _resume(self, job_id: str, owner: str) -> Job:
        stored = await self._stored(job_id, owner)
        if stored.job.state is State.PAUSED:
            stored = await self._move(stored, State.RUNNING)
            if not stored.job.state.over:
                self._runner.take_up(stored)
        _not_over(stored, "resumed")
        return self._runner.alive(stored)

    async def _move(self, stored: Stored, state: State) -> Stored:
        now = self._clock()
        return await self._threads.write(Store.move, stored.number, state, now)

    # --- keeping house ----------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Remove old jobs, and lists whose acceptance or removal a dead process left half done."""
        while True:
            try:
                before = self._clock() - self._keep
                old = self._rests.union(await self._threads.read(Store.over_before, before))
                for number in old:
                    await self._forget(number)
            except JobError as error:
                log.warning("old jobs stay for now: %s", error)
            await asyncio.sleep(_SWEEP_SOON if self._rests else _SWEEP_EVERY)

    async def _forget(self, number: int) -> None:
        while not await self._threads.write(Store.discard, number):
            pass
        self._rests.discard(number)
        while not await self._threads.write(Store.shrink):
            pass

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something to its end, even if the caller goes away meanwhile: file and memory must agree."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


def _not_over(stored: Stored, what: str) -> Job:
    if stored.job.state.over:
        raise JobOver(f"job {stored.job.id} is {stored.job.state} and cannot be {what}")
    return stored.job


async def _batches(addresses: AsyncIterable[str]) -> AsyncIterator[list[bytes]]:
    batch: list[bytes] = []
    async for address in addresses:
        batch.append(encode(address))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
