"""A chunk in a node's hands: what is asked, what is known, what has not been begun. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from nats.aio.msg import Msg

from engine.contact import says_nothing_answered
from engine.messages import MOST_BYTES, Chunk, Report, size
from engine.operators import EXPRESS
from validator.engine import Engine
from validator.verdict import Verdict
from validator.work import Job

BATCH = 100
"""Verdicts in one report, at most."""

BATCH_SECONDS = 2.0
"""A verdict waits no longer than this for others to go with it."""


@dataclass(slots=True)
class _Asked:
    """An address begun at a time; the ticket takes it back."""

    at: float
    ticket: Job | None = None


class Hand:
    """One chunk.

    Attributes:
        chunk: The work.
        message: The delivery to settle; replaced if JetStream delivers the same again.
        rest: Not begun.
        news: Set when something has happened to it.
        dropped: The job was stopped, or this node stops: finish at once with what is known.
    """

    def __init__(self, chunk: Chunk, message: Msg, now: float) -> None:
        self.chunk = chunk
        self.message = message
        self.began = now
        self.rest = deque(chunk.rows)
        self.news = asyncio.Event()
        self.dropped = False
        self._patient = chunk.queue != EXPRESS  # whoever waits for an answer does not wait for a greylist
        self._asked: dict[int, _Asked] = {}
        self._found: list[tuple[int, dict[str, Any]]] = []
        self._held: list[tuple[int, Verdict]] = []
        self._oldest = 0.0

    def feed(self, engine: Engine, most: int, clock: Callable[[], float]) -> None:
        """Begin on up to `most` further addresses."""
        for _ in range(min(most, len(self.rest))):
            place, address = self.rest.popleft()
            asked = self._asked[place] = _Asked(clock())
            asked.ticket = engine.submit(address, partial(self._known, place, clock), patient=self._patient)

    def drop(self, engine: Engine) -> None:
        """Begin on nothing more and take back what has no answer."""
        self.dropped = True
        self.rest.clear()
        for asked in self._asked.values():
            if asked.ticket is not None:
                engine.withdraw(asked.ticket)
        self._asked.clear()
        self._held.clear()
        self.news.set()

    def judge(self, clock: Callable[[], float], *, believe: bool) -> None:
        """Say what becomes of verdicts of silence: they count, or their addresses are asked again."""
        held, self._held = self._held, []
        for place, verdict in held:
            if believe:
                self._keep(place, clock, verdict)
            else:
                self.rest.append((place, verdict.email))
        if held:
            self.news.set()

    def fresh(self, since: float) -> int:
        """Addresses begun after `since` and not known; older ones wait for a greylist, not for us."""
        return sum(asked.at > since for asked in self._asked.values())

    @property
    def asked(self) -> int:
        """Addresses begun and not known, or not surely."""
        return len(self._asked) + len(self._held)

    @property
    def oldest(self) -> float | None:
        """When the longest unknown address was begun."""
        return min((asked.at for asked in self._asked.values()), default=None)

    @property
    def over(self) -> bool:
        """Nothing more will become known here."""
        return self.dropped or not (self.rest or self._asked or self._held)

    def due(self, now: float) -> bool:
        """Whether a report should go out."""
        return (
            self.over
            or len(self._found) >= BATCH
            or bool(self._found and now - self._oldest >= BATCH_SECONDS)
        )

    def give_back(self) -> Report | None:
        """What was not begun, as a report; it is no longer here then."""
        back = tuple(place for place, _ in self.rest)
        self.rest.clear()
        return Report(self.chunk.job, self.chunk.number, self.chunk.turn, back=back) if back else None

    def report(self) -> Report:
        """What is known and not yet told, and whether that is all."""
        sizes = accumulate(size(found) for found in self._found[:BATCH])
        count = max(1, sum(total <= MOST_BYTES for total in sizes))
        told, self._found = self._found[:count], self._found[count:]
        last = self.over and not self._found
        return Report(self.chunk.job, self.chunk.number, self.chunk.turn, tuple(told), over=last)

    def _known(self, place: int, clock: Callable[[], float], verdict: Verdict) -> None:
        if self._asked.pop(place, None) is None:
            return
        if says_nothing_answered(verdict):
            self._held.append((place, verdict))
        else:
            self._keep(place, clock, verdict)

    def _keep(self, place: int, clock: Callable[[], float], verdict: Verdict) -> None:
        if not self._found:
            self._oldest = clock()
        self._found.append((place, verdict.to_dict()))
        self.news.set()
