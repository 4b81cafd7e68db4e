"""Which domain of an operator gets the next session, and from which source, within every budget."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from math import inf

from validator.budget import Lane, Lanes
from validator.settings import Settings
from validator.status import Stage, Status
from validator.trouble import Trouble
from validator.work import Domain, OperatorQueue

SCAN = 32


class Dispatcher:
    """Queues of domains, one an operator; starts a session when a budget, a place and work are there.

    Args:
        settings: Budgets and how many sessions at once.
        start: Begins a session of a domain in a lane that is opened already.
        settle_all: Ends the waiting of a domain with one reason.
        tidy: Forgets a domain without work.

    Attributes:
        lanes: Every budget in use.
        starved: Operators that have work and a budget, and wait for a place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        start: Callable[[Domain, Lane], None],
        settle_all: Callable[[Domain, Trouble], None],
        tidy: Callable[[Domain], None],
    ) -> None:
        self.settings = settings
        self.lanes = Lanes(settings.rate_limit)
        self._sources = settings.sources
        self._start = start
        self._settle_all = settle_all
        self._tidy = tidy
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._queues: dict[str, OperatorQueue] = {}
        self._sessions = 0
        self.starved: deque[OperatorQueue] = deque()
        self._closed = False

    def close(self) -> None:
        """Start no more sessions."""
        self._closed = True
        for queue in self._queues.values():
            if queue.timer is not None:
                queue.timer.cancel()
        self._queues.clear()

    def offer(self, domain: Domain) -> None:
        """Queue a domain for a session."""
        if domain.operator is None or self._closed:
            return
        queue = self._queues.get(domain.operator.name)
        if queue is None:
            queue = self._queues[domain.operator.name] = OperatorQueue(domain.operator)
        domain.queued = True
        queue.ready.append(domain)
        self._pump(queue)

    def ended(self) -> None:
        """A session has ended; its place is free, its connection perhaps not closed yet."""
        self._sessions -= 1

    def feed_starved(self) -> None:
        """Serve the operators that had to wait for a place."""
        while self.starved and self._sessions < self.settings.concurrency:
            queue = self.starved.popleft()
            queue.starved = False
            self._pump(queue)

    def gone(self, lane: Lane) -> None:
        """A connection is closed on both sides: the operator bears one more."""
        lane.close()
        waiting = self._queues.get(lane.operator.name)
        if waiting is not None:
            self._pump(waiting)

    def _pump(self, queue: OperatorQueue) -> None:
        """Start sessions for an operator while a budget, a place and work are there."""
        while queue.ready and not self._closed:
            if self._sessions >= self.settings.concurrency:
                if not queue.starved:
                    queue.starved = True
                    self.starved.append(queue)
                return
            now = self._loop.time()
            free: list[Lane] = []
            soonest = inf
            for source in self._sources:
                lane = self.lanes.of(queue.operator, source, now)
                wait = lane.wait(now)
                if not wait:
                    free.append(lane)
                elif wait < soonest:
                    soonest = wait
            if not free:
                self._give_up_hopeless(queue, now)
            chosen = self._choose(queue, free) if free else None
            if chosen is None:
                self._wake_later(queue, soonest)
                return
            domain, lane = chosen
            domain.queued = False
            lane.open(now)
            self._sessions += 1
            self._start(domain, lane)
        if queue.timer is None:
            self._queues.pop(queue.operator.name, None)

    def _choose(self, queue: OperatorQueue, free: list[Lane]) -> tuple[Domain, Lane] | None:
        if len(free) > 1:
            self._rng.shuffle(free)
            free.sort(key=lambda lane: (lane.active, lane.sent))
        for _ in range(min(SCAN, len(queue.ready))):
            domain = queue.ready.pop(0)
            for lane in free:
                if domain.waiting_for(lane.source):
                    return domain, lane
            if domain.has_work():
                queue.ready.append(domain)
            else:
                domain.queued = False
                self._tidy(domain)
        return None

    def _give_up_hopeless(self, queue: OperatorQueue, now: float) -> None:
        """Where no source may ask for longer than anyone will wait, say so instead."""
        lanes = [self.lanes.of(queue.operator, source, now) for source in self._sources]
        blocked = [
            lane for lane in lanes if lane.silent_until > now and lane.silence_reason.startswith("block:")
        ]
        spent = [lane for lane in lanes if lane.spent(now)]
        hopes = [lane.silent_until - now for lane in lanes if lane not in blocked and lane not in spent]
        if hopes and min(hopes) <= self.settings.patience:
            return
        if blocked:
            trouble = Trouble(
                Status.BLOCKED, blocked[0].silence_reason.removeprefix("block:"), Stage.POLICY, 0.7
            )
            trouble.details = "The operator has just refused our server; this address was not asked for."
        elif spent:
            trouble = Trouble(Status.THROTTLED, "daily_cap", Stage.POLICY, 1.0)
        else:
            trouble = Trouble(Status.THROTTLED, "cool_down", Stage.POLICY, 1.0)
        while queue.ready:
            domain = queue.ready.pop(0)
            domain.queued = False
            self._settle_all(domain, trouble)

    def _wake_later(self, queue: OperatorQueue, wait: float) -> None:
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        if wait == inf or not queue.ready:
            return  # a closing connection will pump

        def wake() -> None:
            queue.timer = None
            self._pump(queue)

        queue.timer = self._loop.call_later(wait, wake)
