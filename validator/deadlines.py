"""Time-outs by the thousand: every wait of one length shares one timer of the loop.

A timer of the loop costs as much as reading a reply, and a session needs seven. Waits of one length end in the
order they began, so only the oldest needs a timer.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

# A timer may fire this much early, seconds.
EARLY = 0.001


class Expiring(Protocol):
    """Who waits."""

    def expired(self, seconds: float) -> None:
        """The wait of so many seconds is over in vain."""


class Queue:
    """Waits of one length."""

    __slots__ = ("_due", "_loop", "_timer", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.seconds = seconds
        self._loop = loop
        self._due: dict[Expiring, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, who: Expiring) -> None:
        """Begin to wait, or begin anew."""
        self._due.pop(who, None)  # the order of the dictionary is the order of the deadlines
        self._due[who] = self._loop.time() + self.seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self.seconds, self._sweep)

    def stop(self, who: Expiring) -> None:
        """Wait no longer."""
        self._due.pop(who, None)

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time() + EARLY
        late: list[Expiring] = []
        for who, at in self._due.items():
            if at > now:
                self._timer = self._loop.call_at(at, self._sweep)
                break
            late.append(who)
        for who in late:
            # One that is late may have been the end of another's wait.
            if self._due.pop(who, None) is not None:
                who.expired(self.seconds)


class Deadlines:
    """The waits of one loop. There are as many lengths as `validator.transport.Timeouts` has."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._queues: dict[float, Queue] = {}

    def of(self, seconds: float) -> Queue:
        """The queue for waits of this length."""
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = Queue(self.loop, seconds)
        return queue


class Patience:
    """Ends what the current task waits for after a while, as `asyncio.timeout` does.

    `with Patience(queue) as patience:` raises TimeoutError when the wait was too long.
    """

    __slots__ = ("_cancelling", "_late", "_queue", "_task")

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._late = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can wait")
        self._task = task
        self._cancelling = task.cancelling()
        self._queue.start(self)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._queue.stop(self)
        if self._late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError

    def expired(self, seconds: float) -> None:  # noqa: ARG002 - all that matters is that it is over
        """See `Expiring`."""
        self._late = True
        self._task.cancel()
