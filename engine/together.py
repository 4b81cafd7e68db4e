"""Tasks that live and end together, and how long to wait for news."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from typing import Any


async def first(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends, then end the others; its error, if it had one, is raised."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough, and a `TaskGroup` may wait for ever: up to Python 3.11 `asyncio.wait_for`, with which
    the NATS client waits for each answer, loses a cancellation that comes with it (python/cpython#86296).
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)  # so that no error is called unseen


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, but no longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
