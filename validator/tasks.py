"""Tasks that nobody waits for until the end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

FEWEST_KEPT = 128


class Tasks:
    """Keeps tasks alive; the finished are let go by the dozen, which is cheaper than a callback each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: list[asyncio.Task[None]] = []
        self._most = FEWEST_KEPT

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begin one."""
        self._tasks.append(self._loop.create_task(work))
        if len(self._tasks) > self._most:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._most = 2 * len(self._tasks) + FEWEST_KEPT

    async def close(self) -> None:
        """Cancel all and wait for their end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
