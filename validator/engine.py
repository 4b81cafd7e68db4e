"""The scheduler: which domain is asked next, from which source, within every budget."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import secrets
from base64 import b32encode
from collections import deque
from collections.abc import Callable, Coroutine
from math import inf

from validator import wire
from validator.budget import Lane, Lanes
from validator.resolver import DnsError, Questions
from validator.route import Addresses, Host, Route, dns_failure, find_addresses, find_route
from validator.session import Session, Trouble
from validator.settings import Settings
from validator.status import Stage, Status
from validator.syntax import (
    Address,
    Lists,
    SyntaxProblem,
    is_disposable,
    is_role,
    parse_address,
    shipped_lists,
    suggest_domain,
)
from validator.transport import Connector, Line, Link
from validator.verdict import Verdict, sentence
from validator.work import CatchAllMemory, Domain, Job, OperatorQueue

log = logging.getLogger("validator")

MOST_LOOKUPS = 128
# One more session for a domain per so many addresses waiting.
JOBS_PER_SESSION = 20
MOST_THROTTLES = 3
SCAN = 32


class Engine:
    """Takes addresses, calls back with verdicts. One per event loop; not thread-safe."""

    def __init__(
        self, settings: Settings, *, dns: Questions, connector: Connector, memory: CatchAllMemory
    ) -> None:
        self.settings = settings
        self.pending = 0
        self.lanes = Lanes(settings.rate_limit)
        self._dns = dns
        self._connector = connector
        self._memory = memory
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._secret = secrets.token_bytes(16)
        self._domains: dict[str, Domain] = {}
        self._queues: dict[str, OperatorQueue] = {}
        self._unresolved: deque[Domain] = deque()
        self._lookups = 0
        self._sessions = 0
        self._starved: deque[OperatorQueue] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = 0
        self._closed = False
        self._timers: set[asyncio.TimerHandle] = set()
        self._room: asyncio.Future[None] | None = None
        self._lists: Lists = shipped_lists()
        self._families = {source: _families(source) for source in settings.sources}

    # --- for the caller ---------------------------------------------------------------------------

    def submit(self, raw: str, done: Callable[[Verdict], None]) -> None:
        """Take an address; `done` is called once, perhaps at once."""
        self.pending += 1
        now = self._loop.time()
        try:
            address = parse_address(raw)
        except SyntaxProblem as problem:
            self._call(done, Verdict(raw, Status.INVALID_SYNTAX, "form", str(problem), 1.0, Stage.SYNTAX))
            return
        self._place(Job(raw, address, done, now))

    async def room(self) -> None:
        """Wait until fewer than `window` addresses are in hand."""
        while self.pending >= self.settings.window:
            self._room = self._loop.create_future()
            await self._room

    async def close(self) -> None:
        """Stop: end sessions with QUIT, drop what is waiting. No further `done` is called."""
        self._closed = True
        for timer in self._timers:
            timer.cancel()
        for queue in self._queues.values():
            if queue.timer is not None:
                queue.timer.cancel()
        self._unresolved.clear()
        self._queues.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        until = self._loop.time() + self.settings.timeouts.goodbye
        while self._leaving and self._loop.time() < until:
            await asyncio.sleep(0.01)

    # --- placing work -----------------------------------------------------------------------------

    def _place(self, job: Job) -> None:
        if self._closed:
            return
        domain = self._domains.get(job.address.domain)
        if domain is None:
            domain = self._domains[job.address.domain] = Domain(job.address.domain)
        domain.add(job)
        if domain.route is None:
            if not domain.resolving:
                domain.resolving = True
                self._unresolved.append(domain)
                self._resolve_more()
        else:
            self._offer(domain)

    def _resolve_more(self) -> None:
        while self._unresolved and self._lookups < MOST_LOOKUPS:
            self._lookups += 1
            self._spawn(self._resolve(self._unresolved.popleft()))

    async def _resolve(self, domain: Domain) -> None:
        began = self._loop.time()
        try:
            route = await find_route(self._dns, domain.name)
        except Exception:
            log.exception("route of %s", domain.name)
            route = dns_failure(DnsError("malformed", domain.name))
        finally:
            self._lookups -= 1
        domain.dns_seconds = self._loop.time() - began
        domain.resolving = False
        self._routed(domain, route)
        self._resolve_more()

    def _routed(self, domain: Domain, route: Route) -> None:
        if route.status is not None:
            trouble = Trouble(route.status, route.reason, Stage.DNS, 0.95, details=route.details)
            self._settle_all(domain, trouble)
            return
        operator = self.settings.operators.of(route.hosts[0].name)
        domain.route, domain.operator = route, operator
        if not operator.budget.probe and not self.settings.probe_consumer_microsoft:
            self._settle_all(
                domain, Trouble(Status.UNKNOWN, "not_probed", Stage.POLICY, 1.0, route.hosts[0].name)
            )
            return
        domain.catch_all = self._memory.get(domain.name, operator.name)
        self._offer(domain)

    def _settle_all(self, domain: Domain, trouble: Trouble) -> None:
        for job in domain.drain():
            self.settle(job, trouble, None, domain)
        self._tidy(domain)

    def _offer(self, domain: Domain) -> None:
        """Queue a domain for a session if one more would help it."""
        if self._closed:
            return
        if domain.catch_all and domain.operator is not None and domain.route is not None:
            known = Trouble(
                Status.CATCH_ALL, "accepts_all_known", Stage.RCPT, 0.9, domain.route.hosts[0].name
            )
            self._settle_all(domain, known)
            return
        waiting = domain.waiting
        if not waiting:
            self._tidy(domain)
            return
        if domain.queued or domain.probing or domain.operator is None:
            return
        if domain.sessions and waiting < domain.sessions * JOBS_PER_SESSION:
            return
        queue = self._queues.get(domain.operator.name)
        if queue is None:
            queue = self._queues[domain.operator.name] = OperatorQueue(domain.operator)
        domain.queued = True
        queue.ready.append(domain)
        self._pump(queue)

    def _tidy(self, domain: Domain) -> None:
        if not domain.waiting and not domain.sessions and not domain.queued and not domain.resolving:
            self._domains.pop(domain.name, None)

    # --- starting sessions ------------------------------------------------------------------------

    def _pump(self, queue: OperatorQueue) -> None:
        """Start sessions for an operator while a budget, a place and work are there."""
        while queue.ready and not self._closed:
            if self._sessions >= self.settings.concurrency:
                if not queue.starved:
                    queue.starved = True
                    self._starved.append(queue)
                return
            now = self._loop.time()
            lanes = [self.lanes.of(queue.operator, source, now) for source in self.settings.sources]
            waits = [lane.wait(now) for lane in lanes]
            self._give_up_hopeless(queue, lanes, now)
            chosen = self._choose(queue, lanes, waits)
            if chosen is None:
                self._wake_later(queue, min((wait for wait in waits if wait), default=inf))
                return
            domain, lane = chosen
            domain.queued = False
            self._start(queue, domain, lane, now)
        if queue.timer is None:
            self._queues.pop(queue.operator.name, None)

    def _choose(
        self, queue: OperatorQueue, lanes: list[Lane], waits: list[float]
    ) -> tuple[Domain, Lane] | None:
        free = [lane for lane, wait in zip(lanes, waits, strict=True) if not wait]
        if not free:
            return None
        if len(free) > 1:
            self._rng.shuffle(free)
            free.sort(key=lambda lane: (lane.active, lane.sent))
        for _ in range(min(SCAN, len(queue.ready))):
            domain = queue.ready.popleft()
            for lane in free:
                if domain.waiting_for(lane.source):
                    return domain, lane
            if domain.waiting:
                queue.ready.append(domain)
            else:
                domain.queued = False
                self._tidy(domain)
        return None

    def _give_up_hopeless(self, queue: OperatorQueue, lanes: list[Lane], now: float) -> None:
        """Where no source may ask for longer than anyone will wait, say so instead."""
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
            domain = queue.ready.popleft()
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

    def _start(self, queue: OperatorQueue, domain: Domain, lane: Lane, now: float) -> None:
        lane.open(now)
        domain.sessions += 1
        self._sessions += 1
        if (
            domain.catch_all is None
            and domain.probe_failures < 2
            and not queue.operator.budget.accepts_bounces
        ):
            domain.probing = True
        self._spawn(self._run(queue, domain, lane))

    async def _run(self, queue: OperatorQueue, domain: Domain, lane: Lane) -> None:
        session = Session(self, domain, lane)
        try:
            await session.run()
        finally:
            self._leaving += 1
            session.leave(lambda: self._gone(queue, lane))
            self._sessions -= 1
            domain.sessions -= 1
            domain.probing = False
            self._offer(domain)
            self._feed_starved()

    def _gone(self, queue: OperatorQueue, lane: Lane) -> None:
        self._leaving -= 1
        lane.close()
        waiting = self._queues.get(queue.operator.name)
        if waiting is not None:
            self._pump(waiting)

    def _feed_starved(self) -> None:
        while self._starved and self._sessions < self.settings.concurrency:
            queue = self._starved.popleft()
            queue.starved = False
            self._pump(queue)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what sessions ask of us (validator.session.Office) ---------------------------------------

    async def dial(self, ip: str, source: str, transcript: list[Line] | None) -> Link:
        """Connect."""
        return await self._connector(
            ip, self.settings.smtp_port, source, self.settings.timeouts.connect, transcript
        )

    async def addresses(self, host: str, source: str) -> Addresses:
        """Where a host listens, in the family of the source."""
        return await find_addresses(
            self._dns, host, self._families[source], allow_private=self.settings.allow_private
        )

    def ordered(self, domain: Domain) -> list[Host]:
        """The route, equals shuffled."""
        return domain.route.ordered(self._rng) if domain.route else []

    def invented(self, domain: str) -> str:
        """24 characters that nobody has, the same for a domain as long as this engine lives."""
        digest = hashlib.blake2b(domain.encode(), key=self._secret, digest_size=15).digest()
        return b32encode(digest).decode().lower()

    def learned_catch_all(self, domain: Domain, accepts_all: bool | None) -> None:
        """Keep it, and let further sessions start."""
        domain.catch_all = accepts_all
        domain.probing = False
        if accepts_all is not None and domain.operator is not None:
            self._memory.put(
                domain.name, domain.operator.name, accepts_all=accepts_all, ttl=self.settings.catch_all_ttl
            )
        if accepts_all is False and domain.waiting >= JOBS_PER_SESSION:
            self._offer(domain)

    def again(self, job: Job) -> None:
        """Back to the queue at once."""
        self._place(job)

    def come_back(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Again from the same source after the next delay (RFC 6647), or the verdict."""
        delays = self.settings.greylist_delays
        if trouble.status is Status.TEMPFAIL:
            delays = delays[:1]
        if job.greylisted >= len(delays):
            self.settle(job, trouble, session)
            return
        delay = delays[job.greylisted]
        job.greylisted += 1
        job.source = session.lane.source
        self._later(delay, job)

    def put_off(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Again from the same source once its cool-down is over, or the verdict."""
        wait = max(0.0, session.lane.silent_until - self._loop.time())
        job.throttled += 1
        if job.throttled > MOST_THROTTLES or wait > self.settings.patience or not self.settings.patience:
            self.settle(job, trouble, session)
            return
        job.source = session.lane.source
        self._later(wait or 1.0, job)

    def _later(self, delay: float, job: Job) -> None:
        def back() -> None:
            self._timers.discard(timer)
            self._place(job)

        timer = self._loop.call_later(delay, back)
        self._timers.add(timer)

    def settle(
        self, job: Job, trouble: Trouble, session: Session | None, domain: Domain | None = None
    ) -> None:
        """Give the verdict."""
        if domain is None and session is not None:
            domain = session.domain
        now = self._loop.time()
        reply = trouble.reply
        operator = domain.operator.name if domain and domain.operator else ""
        verdict = Verdict(
            job.raw,
            trouble.status,
            trouble.reason,
            trouble.details or sentence(trouble.reason, trouble.status),
            trouble.confidence,
            trouble.stage,
            reply.code if reply else 0,
            reply.enhanced if reply else "",
            trouble.host,
            operator,
            session.source_ip if session else "",
            trouble.rule,
            reply.text[:500] if reply else "",
            attempts=job.attempts,
            seconds=now - job.born,
            dns=domain.dns_seconds if domain else 0.0,
            smtp=now - session.began if session else 0.0,
        )
        if session is not None and session.transcript is not None:
            verdict.transcript = list(session.transcript)
        self._flag(verdict, job.address)
        self._call(job.done, verdict)

    def _flag(self, verdict: Verdict, address: Address) -> None:
        lists = self._lists
        verdict.disposable = is_disposable(address.domain, lists)
        verdict.role = is_role(address.local, lists)
        verdict.free = address.domain in lists.free
        if verdict.status is not Status.VALID and not verdict.free:
            meant = suggest_domain(address.domain)
            if meant:
                verdict.suggestion = f"{address.local}@{meant}"

    def _call(self, done: Callable[[Verdict], None], verdict: Verdict) -> None:
        if self._closed:
            return
        self.pending -= 1
        try:
            done(verdict)
        finally:
            if self._room is not None and not self._room.done() and self.pending < self.settings.window:
                self._room.set_result(None)


def _families(source: str) -> tuple[int, ...]:
    # IPv6 is used only from an IPv6 source that was named: an unnamed one may have no route or no PTR.
    return (wire.AAAA,) if ":" in source else (wire.A,)
