"""One call's addresses on their way through what all calls and jobs share: a validator, or the fleet."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Protocol

from validator import Stage, Status, Verdict
from validator.syntax import domain_of

LATE = "not_in_time"


class Checker(Protocol):
    """Who finds verdicts: this process' validator, or the fleet."""

    async def check(self, address: str, *, patient: bool = True) -> Verdict:
        """See `validator.Validator.check`."""


async def verdicts(
    checker: Checker, addresses: Iterable[str], *, in_hand: int, pause: float, seconds: float
) -> AsyncGenerator[Verdict, None]:
    """A verdict for each different address, as it is known.

    Close the generator to stop: what was not yet asked is never asked, and sessions end in QUIT.

    Args:
        checker: The process's.
        addresses: As the caller wrote them.
        in_hand: Addresses that the checker has at once.
        pause: Seconds between two addresses of one domain; the validator's own pause for each operator and
            source holds besides.
        seconds: After which the rest is answered UNKNOWN, `not_in_time`.
    """
    call = _Call(checker, addresses, in_hand, pause)
    until = time.monotonic() + seconds
    try:
        while call.unanswered:
            call.hand_over(time.monotonic())
            verdict = await call.next(until)
            if verdict is not None:
                yield verdict
            elif time.monotonic() >= until:
                for address in call.unanswered:
                    yield _late(address, seconds)
                return
    finally:
        call.stop()


def row_of(found: dict[str, Any]) -> dict[str, Any]:
    """A verdict as the service tells it: `status` is the text for people, `verdict` the name."""
    row = dict(found)
    row["verdict"], row["status"] = row["status"], row.pop("label")
    return row


class _Call:
    def __init__(self, checker: Checker, addresses: Iterable[str], in_hand: int, pause: float) -> None:
        self.unanswered = dict.fromkeys(addresses)
        self._checker = checker
        self._in_hand = in_hand
        self._pause = pause
        self._tasks: set[asyncio.Task[Verdict]] = set()
        self._known: asyncio.Queue[asyncio.Task[Verdict]] = asyncio.Queue()
        self._waiting: deque[deque[str]] = deque()
        self._next_at: dict[str, float] = {}
        domains: dict[str, deque[str]] = {}
        for address in self.unanswered:
            domains.setdefault(domain_of(address), deque()).append(address)
        self._waiting.extend(domains.values())

    def hand_over(self, now: float) -> None:
        """Give the validator what it may have, domains in turn."""
        resting: list[deque[str]] = []
        while self._waiting and len(self._tasks) < self._in_hand:
            domain = self._waiting.popleft()
            name = domain_of(domain[0])
            if self._pause and self._next_at.get(name, now) > now:
                resting.append(domain)
                continue
            self._next_at[name] = now + self._pause
            task = asyncio.create_task(self._checker.check(domain.popleft(), patient=False))
            self._tasks.add(task)
            task.add_done_callback(self._known.put_nowait)
            if domain:
                self._waiting.append(domain)
        self._waiting.extend(resting)

    async def next(self, until: float) -> Verdict | None:
        """The next verdict, or None when it is time to hand over more or to end."""
        if self._waiting and len(self._tasks) < self._in_hand:
            # There is room, so every domain that waits is resting.
            until = min(until, *(self._next_at[domain_of(domain[0])] for domain in self._waiting))
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                task = await self._known.get()
        except TimeoutError:
            return None
        self._tasks.discard(task)
        verdict = task.result()
        del self.unanswered[verdict.email]
        return verdict

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


def _late(address: str, seconds: float) -> Verdict:
    details = f"Not known within {seconds:g} seconds; POST /jobs waits as long as servers ask."
    return Verdict(address, Status.UNKNOWN, LATE, details, 0.0, Stage.POLICY)
