"""Works through the jobs: addresses to the validator, verdicts to the store."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from api.jobs.feed import Work
from api.jobs.store import Known, Store, Stored
from api.jobs.threads import Threads
from engine.model import Job, JobError, State, StorageBroken, StorageFull
from validator import Validator, Verdict
from validator.syntax import domain_of

log = logging.getLogger("api.jobs")

# Addresses that a job hands over before the next one's turn.
_TURN = 20
# Rows read at once.
_READ = 500
# Verdicts in one transaction; while more than that wait for the disk, nothing is asked.
_WRITE = 1000
# Verdicts are gathered for so long, seconds, before they are written.
_GATHER = 0.02
# Between two tries to write to a full disk, seconds.
_RETRY = 1.0
_LOOK_ROUND = 5.0
# Domains whose operator is remembered.
_REMEMBERED = 10_000
# A rate is what was done in so many seconds.
_PACE = 60.0


class Runner:
    """Every job that is under way.

    Args:
        threads: The store.
        validator: Shared with others: jobs use half its window.
        clock: Seconds since the epoch.
    """

    def __init__(self, threads: Threads, validator: Validator, clock: Callable[[], float]) -> None:
        self.news = asyncio.Event()
        self._threads = threads
        self._validator = validator
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._most_out = max(2, validator.settings.window // 2)
        self._works: dict[int, Work] = {}
        self._paused: dict[int, Work] = {}
        self._paces: dict[int, Pace] = {}
        self._operators: OrderedDict[str, str] = OrderedDict()
        self._known: list[Known] = []
        self._trouble: str | None = None
        self._wake = asyncio.Event()
        self._unwritten = asyncio.Event()
        self._stopping = False

    # --- for the face -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self._writing = self._loop.create_task(self._write())
        self._asking = [self._loop.create_task(work()) for work in (self._feed, self._look_round)]
        for task in (self._writing, *self._asking):
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Write what is known and end; addresses with the validator are asked again at the next start."""
        self._works.clear()
        self._paused.clear()
        for task in self._asking:
            task.cancel()
        # Not cancelled: what is being written must be known to be written, or it would be written twice.
        self._stopping = True
        self._unwritten.set()
        await asyncio.gather(self._writing, *self._asking, return_exceptions=True)
        if self._known:
            log.warning("%d verdicts could not be kept and will be asked for again", len(self._known))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("jobs stand still until the service is restarted", exc_info=error)
            self._trouble = "internal error, see the log; goes on when the service is restarted"

    def take_up(self, stored: Stored) -> None:
        """Work on a job that is not over, unless it is paused."""
        work = self._paused.pop(stored.number, None)
        if work is None:
            sources = len(self._validator.settings.sources)
            work = Work(stored.number, stored.job.total, sources, self._operators.get)
        if stored.job.state is State.PAUSED:
            self._paused[stored.number] = work
        else:
            self._works[stored.number] = work
            self._paces[stored.number] = Pace(self._loop.time(), stored.job.done)
            self._wake.set()
        self.announce()

    def pause(self, number: int) -> None:
        """Take all of a job back; what was asked and not answered is asked again when it goes on."""
        work = self._works.pop(number, None)
        if work is not None:
            self._paused[number] = work
            self._withdraw(work)
        self.announce()

    def drop(self, number: int) -> None:
        """Forget a job."""
        work = self._works.pop(number, None) or self._paused.pop(number, None)
        if work is not None:
            self._withdraw(work)
        self._paces.pop(number, None)
        self._wake.set()
        self.announce()

    def _withdraw(self, work: Work) -> None:
        for ticket in work.take_back():
            self._validator.engine.withdraw(ticket)

    def announce(self) -> None:
        """Wake whoever waits for `news`."""
        news, self.news = self.news, asyncio.Event()
        news.set()

    def alive(self, stored: Stored) -> Job:
        """The job with what only a running process knows."""
        job, work = stored.job, self._works.get(stored.number)
        if work is None:
            return job
        now = self._loop.time()
        rate = self._paces[stored.number].rate(now)
        return replace(
            job,
            state=State.RUNNING if work.begun else job.state,
            error=self._trouble,
            rate=rate,
            eta_seconds=(job.total - job.done) / rate if rate else None,
            cooling=tuple(sorted({lane.operator.name for lane in self._validator.engine.lanes.silent(now)})),
        )

    # --- addresses out ----------------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._round():
                await asyncio.sleep(0)

    async def _round(self) -> bool:
        """One turn for every job; True if there is more to do at once."""
        moved = False
        for work in list(self._works.values()):
            try:
                moved = await self._read(work) or moved
            except StorageBroken as error:
                await self._fail(work, str(error))
                continue
            moved = self._turn(work) or moved
        return moved

    async def _read(self, work: Work) -> bool:
        """Read on in the list; True if there was something to read."""
        rows = work.next_rows(_READ)
        if not rows:
            return False
        while True:
            try:
                found = await self._threads.read(Store.missing, work.number, rows)
            except StorageFull as error:
                log.warning("reading on waits: %s", error)
                await asyncio.sleep(_RETRY)
            else:
                work.park(found, self._loop.time())
                return True

    def _turn(self, work: Work) -> bool:
        # One share is left free, so that the next job finds room at once.
        share = self._most_out // (len(self._works) + 1)
        for _ in range(_TURN):
            if work.number not in self._works or len(work.out) >= share or self._held_up:
                return False
            item = work.take()
            if item is None:
                return False
            row, address = item
            ticket = self._validator.engine.submit(address, partial(self._answered, work, row))
            handed = work.out.get(row)
            if handed is not None:  # else the verdict is there already
                handed.ticket = ticket
        return True

    @property
    def _held_up(self) -> bool:
        return self._trouble is not None or len(self._known) > _WRITE

    async def _fail(self, work: Work, reason: str) -> None:
        log.error("job %d failed: %s", work.number, reason)
        self.drop(work.number)
        try:
            now = self._clock()
            await self._threads.write(Store.move, work.number, State.FAILED, now, reason)
        except JobError as error:
            log.error("job %d: %s", work.number, error)  # noqa: TRY400 - one line says it
        self.announce()

    async def _look_round(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_ROUND)
            for work in self._works.values():
                work.look_round(self._loop.time())
            self._wake.set()

    # --- verdicts in ------------------------------------------------------------------------------

    def _answered(self, work: Work, row: int, verdict: Verdict) -> None:
        if self._writing.done():
            return  # too late to be written: asked again at the next start, like all that is on its way
        work.settled(row, self._loop.time())
        if verdict.operator:
            self._learn(verdict)
        self._known.append(Known(work.number, row, verdict))
        self._unwritten.set()
        self._wake.set()

    def _learn(self, verdict: Verdict) -> None:
        domain = domain_of(verdict.email)
        self._operators[domain] = verdict.operator
        self._operators.move_to_end(domain)
        if len(self._operators) > _REMEMBERED:
            self._operators.popitem(last=False)

    async def _write(self) -> None:
        while self._known or not self._stopping:
            await self._unwritten.wait()
            await asyncio.sleep(_GATHER)
            batch = self._known[:_WRITE]
            try:
                await self._keep(batch)
            except (StorageFull, StorageBroken) as error:
                self._stumble(str(error))
                if self._stopping:
                    return
                await asyncio.sleep(_RETRY)
                continue
            del self._known[: len(batch)]
            if not self._known:
                self._unwritten.clear()
            self._trouble = None
            self._wake.set()
            self.announce()

    def _stumble(self, reason: str) -> None:
        if self._trouble is None:
            log.error("jobs stand still: %s", reason)
        self._trouble = f"{reason}; goes on by itself when that is mended"
        self.announce()

    async def _keep(self, batch: list[Known]) -> None:
        now = self._clock()
        for stored in await self._threads.write(Store.add, batch, now):
            pace = self._paces.get(stored.number)
            if pace is not None:
                pace.note(self._loop.time(), stored.job.done)
            if stored.job.state.over:
                self.drop(stored.number)


class Pace:
    """How fast a job goes, from what was done in the last minute."""

    def __init__(self, now: float, done: int) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, done)])

    def note(self, now: float, done: int) -> None:
        """So many are done."""
        self._seen.append((now, done))
        # The oldest may be older than the span: from it on the rate is counted.
        while len(self._seen) > 2 and now - self._seen[1][0] > _PACE:
            self._seen.popleft()

    def rate(self, now: float) -> float | None:
        """Verdicts a second, None if nothing was done yet."""
        (began, before), (_, done) = self._seen[0], self._seen[-1]
        return (done - before) / max(now - began, 0.001) if done > before else None
