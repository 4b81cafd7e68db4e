"""What is in hand: addresses waiting for their answer, by domain and by operator.

The queues are lists: most hold one item, an empty deque takes half a kilobyte, and ten thousand domains at
once are usual. The longest is as long as the caller's window: taking its first item costs microseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from validator.operators import Operator
from validator.reply import Reply
from validator.route import Route
from validator.syntax import Address
from validator.verdict import Verdict


@dataclass(slots=True)
class Job:
    """One address on its way.

    Attributes:
        raw: As given.
        address: Parsed.
        done: Called once with the verdict.
        born: Loop time it was taken up.
        attempts: Sessions that asked for it, or tried to.
        disconnects: Sessions that broke off instead of answering it.
        throttled: Times it was put off by a cool-down.
        greylisted: Returns to a greylisting server.
        source: The only source it may be asked from; empty for any.
        patient: Whether greylists and cool-downs are waited for.
        withdrawn: Nobody waits for the answer any more.
    """

    raw: str
    address: Address
    done: Callable[[Verdict], None]
    born: float
    attempts: int = 0
    disconnects: int = 0
    throttled: int = 0
    greylisted: int = 0
    source: str = ""
    patient: bool = True
    withdrawn: bool = False


@dataclass(slots=True)
class Domain:
    """One domain with work.

    Attributes:
        route: None until DNS has answered.
        catch_all: True, False, or None if not known.
        probing: A session is finding that out; no other may.
        probe_failures: Times the finding out broke off; at two it is given up.
        broken: Sessions in a row that ended without an answer.
        accepted: Some address of the domain was accepted, so the server does serve it.
        postmaster: What it answered for postmaster@.
        thinned: A waiting job was withdrawn, so the queues have to be looked through.
    """

    name: str
    route: Route | None = None
    operator: Operator | None = None
    jobs: list[Job] = field(default_factory=list)
    pinned: dict[str, list[Job]] = field(default_factory=dict)
    sessions: int = 0
    queued: bool = False
    resolving: bool = False
    dns_seconds: float = 0.0
    catch_all: bool | None = None
    probing: bool = False
    probe_failures: int = 0
    broken: int = 0
    accepted: bool = False
    postmaster: Reply | None = None
    thinned: bool = False

    def add(self, job: Job) -> None:
        """Put a job where its source allows."""
        if job.source:
            self.pinned.setdefault(job.source, []).append(job)
        else:
            self.jobs.append(job)

    def take(self, source: str) -> Job | None:
        """The next job for a session from this source."""
        if self.thinned:
            self._prune()
        if self.pinned and source in self.pinned:
            mine = self.pinned[source]
            job = mine.pop(0)
            if not mine:
                del self.pinned[source]
            return job
        return self.jobs.pop(0) if self.jobs else None

    def waiting_for(self, source: str) -> bool:
        """Whether a session from this source has work."""
        if self.thinned:
            self._prune()
        return bool(self.jobs) or source in self.pinned

    def has_work(self) -> bool:
        """Whether some session has."""
        if self.thinned:
            self._prune()
        return bool(self.jobs or self.pinned)

    @property
    def waiting(self) -> int:
        """Jobs not yet taken by a session; of those withdrawn, some may be counted until their turn comes."""
        if self.thinned:
            self._prune()
        return len(self.jobs) + sum(map(len, self.pinned.values()))

    def _prune(self) -> None:
        while self.jobs and self.jobs[0].withdrawn:
            self.jobs.pop(0)
        for source in [name for name, queue in self.pinned.items() if queue[0].withdrawn]:
            queue = self.pinned[source]
            while queue and queue[0].withdrawn:
                queue.pop(0)
            if not queue:
                del self.pinned[source]

    def drain(self, source: str | None = None) -> list[Job]:
        """Take every job, or every job that a session from `source` could take."""
        jobs = list(self.jobs)
        self.jobs.clear()
        for name in list(self.pinned):
            if source is None or name == source:
                jobs.extend(self.pinned.pop(name))
        return jobs


@dataclass(slots=True)
class OperatorQueue:
    """Domains of one operator that could use a session."""

    operator: Operator
    ready: list[Domain] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    starved: bool = False


class CatchAllMemory(Protocol):
    """Remembers, per domain and operator, whether it accepts any address."""

    def get(self, domain: str, operator: str) -> bool | None:
        """The answer, or None if not known or too old."""

    def put(self, domain: str, operator: str, *, accepts_all: bool, ttl: float) -> None:
        """Keep an answer for `ttl` seconds."""


class RecentCatchAll:
    """In memory, the latest 50,000 domains."""

    def __init__(self, kept: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, bool]] = OrderedDict()

    def get(self, domain: str, operator: str) -> bool | None:
        """See `CatchAllMemory`."""
        found = self._known.get((domain, operator))
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, domain: str, operator: str, *, accepts_all: bool, ttl: float) -> None:
        """See `CatchAllMemory`."""
        self._known[domain, operator] = (self._clock() + ttl, accepts_all)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
