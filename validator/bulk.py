"""A list in, a list out: streaming, resumable, each address checked once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from validator.client import Validator
from validator.dial import Connector
from validator.output import BulkError, Files, Output, Progress, key_of
from validator.resolver import Questions
from validator.rows import Format, InputError, Reader, Row, kind_of, verdict_dict
from validator.settings import Settings
from validator.status import Stage, Status
from validator.verdict import Verdict

__all__ = ["Bulk", "BulkError", "Files", "Progress"]


# The reader goes on when this part of the window is free: the less, the more level what is in flight stays.
REFILL = 64


class Bulk:
    """One run.

    Args:
        settings: How to check.
        files: What to read and write.
        dns: Instead of the resolver of the settings.
        connector: Instead of TCP.
        on_tick: Called about twice a second with the progress and the operators in a cool-down.
    """

    def __init__(
        self,
        settings: Settings,
        files: Files,
        *,
        dns: Questions | None = None,
        connector: Connector | None = None,
        on_tick: Callable[[Progress, list[str]], None] | None = None,
    ) -> None:
        self.settings = settings
        self.files = files
        self.progress = Progress()
        self._dns = dns
        self._connector = connector
        self._on_tick = on_tick
        self._twins: dict[int, list[Row] | None] = {}
        self._wanted = 0
        self._stopping = False
        self._changed = asyncio.Event()

    async def run(self) -> Progress:
        """Check the list.

        Raises:
            BulkError, InputError: one line for people; what was done before is kept.
        """
        with contextlib.ExitStack() as stack:
            stream = self._open_source(stack)
            reader = Reader(
                stream, self.files.source, kind_of(self.files.source, self.files.kind), self.files.column
            )
            target = str(self.files.target)
            format_ = Format("csv" if kind_of(target) == "csv" else "jsonl", reader.header, reader.index)
            self._output = Output(self.files, format_, self.progress, self._changed.set)
            complete = False
            try:
                complete = await self._work(reader)
            finally:
                self._output.close(complete=complete)
        return self.progress

    def _open_source(self, stack: contextlib.ExitStack) -> BinaryIO:
        if self.files.source == "-":
            return stack.enter_context(open(0, "rb", closefd=False))
        try:
            return stack.enter_context(open(self.files.source, "rb"))
        except OSError as error:
            raise InputError(f"{self.files.source}: {error.strerror}") from None

    # --- the run ----------------------------------------------------------------------------------

    async def _work(self, reader: Reader) -> bool:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.stop)
        ticker = asyncio.create_task(self._tick())
        validator = Validator(
            self.settings, dns=self._dns, connector=self._connector, memory=self._output.ledger
        )
        try:
            async with validator:
                self._validator = validator
                await self._feed(reader.rows())
                await self._until(0)
        finally:
            ticker.cancel()
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.remove_signal_handler(number)
            if self._output.trouble is None:
                self._output.flush()
        if self._output.trouble is not None:
            raise self._output.trouble
        return not self.progress.stopped

    def stop(self) -> None:
        """End cleanly: what is known is written, sessions end with QUIT, --resume goes on."""
        self._stopping = True
        self._changed.set()

    async def _feed(self, rows: Iterator[Row]) -> None:
        taken = 0
        for row in rows:
            if self._stopping or self._output.trouble is not None:
                self.progress.stopped = True
                return
            taken += 1
            if not taken % 256:  # verdicts that need no waiting must not keep the loop from its other work
                await asyncio.sleep(0)
            if self._output.is_done(row.number):
                continue
            self._take(row)
            if self.progress.in_flight >= self.settings.window:
                await self._until(self.settings.window - self.settings.window // REFILL)

    async def _until(self, in_flight: int) -> None:
        """Wait until no more than so many addresses are in flight, or the run is to end."""
        self._wanted = in_flight
        while self.progress.in_flight > in_flight and not self._stopping and self._output.trouble is None:
            self._changed.clear()
            await self._changed.wait()
        self.progress.stopped = self._stopping and bool(self.progress.in_flight)

    def _take(self, row: Row) -> None:
        if row.problem:
            verdict = Verdict(
                row.address, Status.INVALID_SYNTAX, "unreadable", row.problem, 1.0, Stage.SYNTAX
            )
            self._output.written(row, None, verdict_dict(verdict))
            return
        key = key_of(row.address)
        if key is not None:
            if key in self._twins:
                self._twins[key] = [*(self._twins[key] or ()), row]
                self.progress.in_flight += 1
                self.progress.duplicates += 1
                return
            place = self._output.ledger.place(key)
            if place is not None:
                self.progress.duplicates += 1
                self._output.written(row, None, self._output.read_back(place))
                return
            self._twins[key] = None  # most have none, and a list for each would be the better part of a row
        self.progress.in_flight += 1
        self._validator.engine.submit(row.address, partial(self._known, row, key))

    def _known(self, row: Row, key: int | None, verdict: Verdict) -> None:
        found = verdict_dict(verdict)
        self.progress.in_flight -= 1
        self._output.written(row, key, found)
        for twin in (self._twins.pop(key, None) if key is not None else None) or ():
            self.progress.in_flight -= 1
            self._output.written(twin, None, found)
        if self.progress.in_flight <= self._wanted:
            self._changed.set()

    async def _tick(self) -> None:
        while self._on_tick is not None:
            await asyncio.sleep(0.5)
            now = asyncio.get_running_loop().time()
            silent = sorted({lane.operator.name for lane in self._validator.engine.lanes.silent(now)})
            self._on_tick(self.progress, silent)
