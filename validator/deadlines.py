"""Time-outs by the thousand: one timer of the loop looks after everybody who waits.

A timer of the loop costs as much as reading a reply, and a session would need seven.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Protocol

TICK = 0.25
"""Seconds between two looks: a time-out comes up to so much late."""


class Waiting(Protocol):
    """Who is looked after.

    Attributes:
        deadline: Loop time when the patience ends; `inf` while there is nothing to wait for.
    """

    deadline: float

    def expired(self) -> None:
        """The deadline has passed; it is `inf` again."""


class Watch:
    """Looks after all that wait in one loop."""

    __slots__ = ("_timer", "_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: set[Waiting] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, who: Waiting) -> None:
        """Look after somebody."""
        self._waiting.add(who)
        if self._timer is None:
            self._timer = self.loop.call_later(TICK, self._look)

    def discard(self, who: Waiting) -> None:
        """Look after them no more."""
        self._waiting.discard(who)

    def _look(self) -> None:
        now = self.loop.time()
        for who in [who for who in self._waiting if who.deadline <= now]:
            if who.deadline <= now:  # the end of one may have been the end of another's wait
                who.deadline = inf
                who.expired()
        self._timer = self.loop.call_later(TICK, self._look) if self._waiting else None


class Patience:
    """Ends what the current task waits for after a while, as `asyncio.timeout` does.

    `with Patience(watch, seconds):` raises TimeoutError when the wait was too long.
    """

    __slots__ = ("_cancelling", "_late", "_task", "_watch", "deadline")

    def __init__(self, watch: Watch, seconds: float) -> None:
        self.deadline = watch.loop.time() + seconds
        self._watch = watch
        self._late = False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._watch.loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task = task
        self._cancelling = task.cancelling()
        self._watch.add(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._watch.discard(self)
        if self._late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError

    def expired(self) -> None:
        """See `Waiting`."""
        self._late = True
        self._task.cancel()
