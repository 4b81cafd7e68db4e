"""The engine: addresses in, by domain to sessions, verdicts out."""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from validator import wire
from validator.budget import Lane, Lanes
from validator.classify import warm_up
from validator.dial import Connector
from validator.dispatch import Dispatcher
from validator.judgement import verdict_of
from validator.lookups import Lookups
from validator.resolver import Questions
from validator.returns import Returns
from validator.route import Addresses, Host, Route, find_addresses
from validator.session import Session
from validator.settings import Settings
from validator.status import Stage, Status
from validator.syntax import SyntaxProblem, parse_address
from validator.tasks import Tasks
from validator.transport import Line, Link
from validator.trouble import Trouble
from validator.verdict import Verdict
from validator.work import CatchAllMemory, Domain, Job

# One more session for a domain per so many addresses waiting.
JOBS_PER_SESSION = 20
# Seconds after which the first servers are thinking: what their answers need is made ready in that time.
SERVERS_THINK = 0.05


class Engine:
    """Takes addresses, calls back with verdicts. One per event loop; not thread-safe."""

    def __init__(
        self, settings: Settings, *, dns: Questions, connector: Connector, memory: CatchAllMemory
    ) -> None:
        self.settings = settings
        self.pending = 0
        self._dns = dns
        self._connector = connector
        self._memory = memory
        self.loop = asyncio.get_running_loop()
        self._rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._secret = secrets.token_bytes(16)
        self._domains: dict[str, Domain] = {}
        self._tasks = Tasks(self.loop)
        self._returns = Returns(settings, self._place, self.settle)
        self._free_hand = False
        self._next: tuple[Domain, Lane] | None = None
        self._leaving = 0
        self._closed = False
        self._room: asyncio.Future[None] | None = None
        self._dispatcher = Dispatcher(
            settings, start=self._start, settle_all=self._settle_all, tidy=self._tidy
        )
        self._lookups = Lookups(
            dns, self._tasks, self._routed, self._dispatcher.starved, settings.concurrency
        )
        self._families = {source: _families(source) for source in settings.sources}
        self._warming = self.loop.call_later(SERVERS_THINK, warm_up)

    # --- for the caller ---------------------------------------------------------------------------

    def submit(self, raw: str, done: Callable[[Verdict], None], *, patient: bool = True) -> Job | None:
        """Take an address; `done` is called once, perhaps at once.

        Args:
            raw: The address.
            done: Takes the verdict.
            patient: Come back to greylists and wait for cool-downs as the settings allow; else the first
                answer is the verdict.

        Returns:
            What `withdraw` takes; None if the verdict was given at once.
        """
        self.pending += 1
        now = self.loop.time()
        try:
            address = parse_address(raw)
        except SyntaxProblem as problem:
            self._call(done, Verdict(raw, Status.INVALID_SYNTAX, "form", str(problem), 1.0, Stage.SYNTAX))
            return None
        job = Job(raw, address, done, now, patient=patient)
        self._place(job)
        return job

    def withdraw(self, job: Job) -> None:
        """Take an address back that has no verdict yet: `done` is not called any more.

        It is not asked for, unless its RCPT is on the way; a session without other work ends in QUIT.
        """
        if not job.withdrawn:
            job.withdrawn = True
            domain = self._domains.get(job.address.domain)
            if domain is not None:
                domain.thinned = True
            self.pending -= 1
            self._make_room()

    @property
    def lanes(self) -> Lanes:
        """Every budget in use."""
        return self._dispatcher.lanes

    async def room(self) -> None:
        """Wait until fewer than `window` addresses are in hand."""
        while self.pending >= self.settings.window:
            self._room = self.loop.create_future()
            await self._room

    async def close(self) -> None:
        """Stop: end sessions with QUIT, drop what is waiting. No further `done` is called."""
        self._closed = True
        self._warming.cancel()
        self._returns.close()
        self._dispatcher.close()
        self._lookups.close()
        await self._tasks.close()
        until = self.loop.time() + self.settings.timeouts.goodbye
        while self._leaving and self.loop.time() < until:
            await asyncio.sleep(0.01)

    # --- placing work -----------------------------------------------------------------------------

    def _place(self, job: Job) -> None:
        if self._closed or job.withdrawn:
            return
        domain = self._domains.get(job.address.domain)
        if domain is None:
            domain = self._domains[job.address.domain] = Domain(job.address.domain)
        domain.add(job)
        if domain.route is None:
            if not domain.resolving:
                self._lookups.ask(domain)
        elif domain.catch_all or not (domain.queued or domain.probing):
            self._offer(domain)

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
        if not domain.has_work():
            self._tidy(domain)
            return
        if domain.queued or domain.probing or domain.operator is None:
            return
        if domain.sessions and domain.waiting < domain.sessions * JOBS_PER_SESSION:
            return
        self._dispatcher.offer(domain)

    def _tidy(self, domain: Domain) -> None:
        if not (domain.sessions or domain.queued or domain.resolving or domain.has_work()):
            self._domains.pop(domain.name, None)

    # --- sessions ---------------------------------------------------------------------------------

    def _start(self, domain: Domain, lane: Lane) -> None:
        domain.sessions += 1
        if (
            domain.catch_all is None
            and domain.probe_failures < 2
            and not lane.operator.budget.accepts_bounces
        ):
            domain.probing = True
        if self._free_hand:
            self._free_hand = False
            self._next = domain, lane
        else:
            self._tasks.begin(self._work(domain, lane))

    async def _work(self, domain: Domain, lane: Lane) -> None:
        """Run a session, then whatever its end allows to begin: a task for each would cost more."""
        following: tuple[Domain, Lane] | None = domain, lane
        while following is not None:
            domain, lane = following
            session = Session(self, domain, lane)
            try:
                await session.run()
            finally:
                self._leaving += 1
                session.leave(partial(self._gone, lane))
                self._dispatcher.ended()
                domain.sessions -= 1
                domain.probing = False
                self._free_hand = True
                self._offer(domain)
                self._dispatcher.feed_starved()
                self._lookups.go_on()
                self._free_hand = False
                following, self._next = self._next, None

    def _gone(self, lane: Lane) -> None:
        self._leaving -= 1
        self._dispatcher.gone(lane)

    # --- what sessions ask of us (validator.office.Office) ---------------------------------------

    def dial(self, ip: str, source: str, transcript: list[Line] | None) -> Awaitable[Link]:
        """Connect."""
        return self._connector(
            ip, self.settings.smtp_port, source, self.settings.timeouts.connect, transcript
        )

    def addresses(self, host: str, source: str) -> Awaitable[Addresses]:
        """Where a host listens, in the family of the source."""
        return find_addresses(
            self._dns, host, self._families[source], allow_private=self.settings.allow_private
        )

    def ordered(self, domain: Domain) -> list[Host]:
        """The route, equals shuffled."""
        return domain.route.ordered(self._rng) if domain.route else []

    def invented(self, domain: str) -> str:
        """24 characters that nobody has, the same for a domain as long as this engine lives."""
        return hashlib.blake2b(domain.encode(), key=self._secret, digest_size=12).hexdigest()

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
        """Greylisted: again later from the same source, or the verdict."""
        self._returns.after_greylist(job, trouble, session)

    def put_off(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Throttled: again after the cool-down, or the verdict."""
        self._returns.after_silence(job, trouble, session)

    def settle(
        self, job: Job, trouble: Trouble, session: Session | None, domain: Domain | None = None
    ) -> None:
        """Give the verdict."""
        if job.withdrawn:
            return
        if session is not None:
            domain = session.domain
        self._call(job.done, verdict_of(job, trouble, domain, session, self.loop.time()))

    def _call(self, done: Callable[[Verdict], None], verdict: Verdict) -> None:
        if self._closed:
            return
        self.pending -= 1
        try:
            done(verdict)
        finally:
            self._make_room()

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done() and self.pending < self.settings.window:
            self._room.set_result(None)


def _families(source: str) -> tuple[int, ...]:
    # IPv6 is used only from an IPv6 source that was named: an unnamed one may have no route or no PTR.
    return (wire.AAAA,) if ":" in source else (wire.A,)
