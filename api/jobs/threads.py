"""The store from the event loop: one thread that writes, two that read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Concatenate, ParamSpec, TypeVar

from api.jobs import schema
from api.jobs.store import Store

T = TypeVar("T")
P = ParamSpec("P")
_READERS = 2


class Threads:
    """Connections to one job store and the threads they work in.

    Args:
        path: The SQLite file.
        reserve: Bytes that a new list leaves free on the disk.
    """

    def __init__(self, path: Path, reserve: int) -> None:
        self.path = path
        self._reserve = reserve
        self._writing = ThreadPoolExecutor(1, "jobs-write")
        self._reading = ThreadPoolExecutor(_READERS, "jobs-read")
        self._readers: SimpleQueue[Store] = SimpleQueue()
        self._writer: Store | None = None
        self._lock = -1

    async def open(self) -> None:
        """Claim the file and open it.

        Raises:
            StorageFull, StorageBroken: it cannot be used, or another process uses it.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._writing, self._open)
        except BaseException:
            await self.close()
            raise

    async def write(self, work: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A method of the store in the writing thread, after all that was asked of it before."""

        def run() -> T:
            assert self._writer is not None, "open() comes first"  # noqa: S101 - for the type checker
            return work(self._writer, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._writing, run)

    async def read(self, work: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A method of the store in a reading thread; it sees all that was written before."""

        def run() -> T:
            reader = self._readers.get()
            try:
                return work(reader, *args, **kwargs)
            finally:
                self._readers.put(reader)

        return await asyncio.get_running_loop().run_in_executor(self._reading, run)

    async def close(self) -> None:
        """Wait for what was asked, then close."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _open(self) -> None:
        self._lock = schema.claim(self.path)
        self._writer = Store(self.path, reserve=self._reserve)
        for _ in range(_READERS):
            self._readers.put(Store(self.path, read_only=True))

    def _close(self) -> None:
        self._reading.shutdown()
        self._writing.shutdown()
        while not self._readers.empty():
            self._readers.get().close()
        if self._writer is not None:
            self._writer.close()
        if self._lock >= 0:
            with suppress(OSError):
                os.close(self._lock)
