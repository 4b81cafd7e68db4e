"""A list in, a list out: streaming, resumable, each address checked once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from validator.client import Validator
from validator.ledger import Ledger, hashed
from validator.resolver import Questions
from validator.rows import Format, InputError, Reader, Row, kind_of, verdict_dict
from validator.settings import Settings
from validator.status import Stage, Status
from validator.syntax import SyntaxProblem, parse_address
from validator.transport import Connector
from validator.verdict import Verdict


class BulkError(Exception):
    """The run cannot begin or go on; the message says what to do."""


@dataclass(slots=True)
class Progress:
    """Where a run stands; updated in place.

    Attributes:
        done: Records written, those of an earlier run included.
        resumed: Of those, records of the earlier run.
        duplicates: Records answered by another's verdict.
        statuses: How many of each.
        in_flight: Addresses taken up and not yet known.
        stopped: Ended by a signal.
    """

    done: int = 0
    resumed: int = 0
    duplicates: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """What to read and write.

    Attributes:
        source: Input path, `-` for standard input.
        target: Output path; csv or jsonl by its name.
        kind: Input format, if its name does not tell.
        column: Address column or key.
        ordered: Keep the order of the input.
        resume: Go on after a run that was cut off.
        overwrite: Begin anew over an existing output.
    """

    source: str
    target: Path
    kind: str = ""
    column: str = ""
    ordered: bool = False
    resume: bool = False
    overwrite: bool = False


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
        self._twins: dict[int, list[Row]] = {}
        self._bitmap = bytearray()
        self._next = 1
        self._stopping = False
        self._trouble: Exception | None = None
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
            self._format = Format("csv" if kind_of(target) == "csv" else "jsonl", reader.header, reader.index)
            self._open_target(stack)
            complete = False
            try:
                complete = await self._work(reader)
            finally:
                self._ledger.close(remove=complete)
        return self.progress

    # --- files ------------------------------------------------------------------------------------

    def _open_source(self, stack: contextlib.ExitStack) -> BinaryIO:
        if self.files.source == "-":
            return stack.enter_context(open(0, "rb", closefd=False))
        try:
            return stack.enter_context(open(self.files.source, "rb"))
        except OSError as error:
            raise InputError(f"{self.files.source}: {error.strerror}") from None

    def _open_target(self, stack: contextlib.ExitStack) -> None:
        target = self.files.target
        state = target.with_name(target.name + ".state")
        going_on = self.files.resume and target.exists()
        if target.exists() and not (self.files.resume or self.files.overwrite):
            raise BulkError(f"{target} exists; go on with --resume or begin anew with --overwrite")
        try:
            if not going_on:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{state}{suffix}").unlink(missing_ok=True)
            flags = os.O_RDWR | os.O_CREAT | (0 if going_on else os.O_TRUNC)
            self._fd = os.open(target, flags, 0o644)
            stack.callback(os.close, self._fd)
            self._ledger = Ledger(state, durable=self.files.ordered)
        except (OSError, sqlite3.Error) as error:
            raise BulkError(f"{target}: {getattr(error, 'strerror', None) or error}") from None
        self._buffer: list[bytes] = []
        self._length = os.fstat(self._fd).st_size
        self._flushing = False
        if going_on:
            self._take_up()
        self._check_same_input()
        if not self._length and (head := self._format.head()):
            self._write_out(head)
            self._flush()

    def _check_same_input(self) -> None:
        if self.files.source == "-":
            return
        with open(self.files.source, "rb") as stream:
            head = stream.read(65536)
        now = f"{hashlib.blake2b(head, digest_size=16).hexdigest()} {self.files.ordered}"
        before = self._ledger.meta("input")
        if before is not None and before != now:
            raise BulkError(
                f"{self.files.target} was begun from another list or order than {self.files.source}"
            )
        self._ledger.put_meta("input", now)
        self._ledger.commit(now=True)

    def _take_up(self) -> None:
        """Read what an earlier run has written; cut off a half-written record."""
        self._ledger.forget_places()
        end = 0
        with open(self.files.target, "rb") as stream:
            head = self._format.head()
            if head and stream.readline() != head:
                if self._length > len(head):
                    raise BulkError(f"{self.files.target}: its columns are not those of this list")
                os.ftruncate(self._fd, 0)
                self._length = 0
                return
            stream.seek(0)
            end = len(head)
            for at, record in self._format.records(stream):
                self._count_written(at, record)
                end = at + len(record)
        os.ftruncate(self._fd, end)
        self._length = end
        for row, key in self._ledger.held_rows():
            if self._is_done(row):  # written, but the process ended before the ledger knew
                self._ledger.release(row)
                continue
            self._mark(row)
            self._ledger.put_place(key, -row)
        self.progress.resumed = self.progress.done
        if self.files.ordered:
            self._drain_held()
        self._flush()

    def _count_written(self, at: int, record: bytes) -> None:
        try:
            row, found = self._format.parse(record)
        except (ValueError, KeyError) as error:
            raise BulkError(f"{self.files.target}: byte {at}: {error}") from None
        self._mark(row)
        self._next = row + 1
        self.progress.done += 1
        self.progress.statuses[str(found["status"])] += 1
        key = self._key(self._format.address(record))
        if key is not None:
            self._ledger.put_place(key, at)
            self._ledger.commit()

    # --- the run ----------------------------------------------------------------------------------

    async def _work(self, reader: Reader) -> bool:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.stop)
        ticker = asyncio.create_task(self._tick())
        validator = Validator(self.settings, dns=self._dns, connector=self._connector, memory=self._ledger)
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
            if self._trouble is None:
                self._flush()
        if self._trouble is not None:
            raise self._trouble
        return not self.progress.stopped

    def stop(self) -> None:
        """End cleanly: what is known is written, sessions end with QUIT, --resume goes on."""
        self._stopping = True
        self._changed.set()

    async def _feed(self, rows: Iterator[Row]) -> None:
        taken = 0
        for row in rows:
            if self._stopping or self._trouble is not None:
                self.progress.stopped = True
                return
            taken += 1
            if not taken % 256:  # verdicts that need no waiting must not keep the loop from its other work
                await asyncio.sleep(0)
            if self._is_done(row.number):
                continue
            self._take(row)
            if self.progress.in_flight >= self.settings.window:
                await self._until(self.settings.window * 9 // 10)

    async def _until(self, in_flight: int) -> None:
        """Wait until no more than so many addresses are in flight, or the run is to end."""
        while self.progress.in_flight > in_flight and not self._stopping and self._trouble is None:
            self._changed.clear()
            await self._changed.wait()
        self.progress.stopped = self._stopping and bool(self.progress.in_flight)

    def _take(self, row: Row) -> None:
        if row.problem:
            verdict = Verdict(
                row.address, Status.INVALID_SYNTAX, "unreadable", row.problem, 1.0, Stage.SYNTAX
            )
            self._written(row, None, verdict_dict(verdict))
            return
        key = self._key(row.address)
        if key is not None:
            twins = self._twins.get(key)
            if twins is not None:
                twins.append(row)
                self.progress.in_flight += 1
                self.progress.duplicates += 1
                return
            place = self._ledger.place(key)
            if place is not None:
                self.progress.duplicates += 1
                self._written(row, None, self._read_back(place))
                return
            self._twins[key] = []
        self.progress.in_flight += 1
        self._validator.engine.submit(row.address, partial(self._known, row, key))

    def _known(self, row: Row, key: int | None, verdict: Verdict) -> None:
        found = verdict_dict(verdict)
        self.progress.in_flight -= 1
        self._written(row, key, found)
        for twin in self._twins.pop(key, []) if key is not None else []:
            self.progress.in_flight -= 1
            self._written(twin, None, found)
        self._changed.set()

    @staticmethod
    def _key(address: str) -> int | None:
        """The same for addresses that are the same; None for what is no address."""
        try:
            return hashed(parse_address(address).text.lower())
        except SyntaxProblem:
            return None

    # --- writing ----------------------------------------------------------------------------------

    def _written(self, row: Row, key: int | None, found: dict[str, Any]) -> None:
        if self._trouble is not None:
            return
        found = {**found, "email": row.address} if "email" in found else found
        record = self._format.record(row, found)
        self._mark(row.number)
        if self.files.ordered and row.number != self._next:
            self._ledger.hold(row.number, key or 0, record)
            if key is not None:
                self._ledger.put_place(key, -row.number)
        else:
            self._put(row.number, key, record, str(found["status"]))
            if self.files.ordered:
                self._drain_held()
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _put(self, row: int, key: int | None, record: bytes, status: str) -> None:
        if key is not None:
            self._ledger.put_place(key, self._length)
        self._write_out(record)
        self._next = row + 1
        self.progress.done += 1
        self.progress.statuses[status] += 1

    def _drain_held(self) -> None:
        while (held := self._ledger.held(self._next)) is not None:
            key, record = held
            row = self._next
            _, found = self._format.parse(record)
            self._put(row, key or None, record, str(found["status"]))
            self._ledger.release(row)

    def _write_out(self, data: bytes) -> None:
        self._buffer.append(data)
        self._length += len(data)

    def _flush(self) -> None:
        """Hand over to the system what is known; a full disk ends the run with the file still whole."""
        self._flushing = False
        data = b"".join(self._buffer)
        at = self._length - len(data)
        self._buffer.clear()
        try:
            if data:
                written = os.pwrite(self._fd, data, at)
                while written < len(data):
                    written += os.pwrite(self._fd, data[written:], at + written)
            self._ledger.commit()
        except (OSError, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, at)
            why = getattr(error, "strerror", None) or str(error)
            self._trouble = BulkError(f"{self.files.target}: {why}; make room and go on with --resume")
            self._changed.set()

    def _read_back(self, place: int) -> dict[str, Any]:
        if place < 0:
            held = self._ledger.held(-place)
            record = held[1] if held else b""
        else:
            self._flush()
            record = self._record_at(place)
        found = self._format.parse(record)[1]
        return {name: value for name, value in found.items() if name != "row"}

    def _record_at(self, place: int) -> bytes:
        size = 4096
        while True:
            data = os.pread(self._fd, size, place)
            end = data.find(b"\n")
            while end >= 0 and self._format.kind == "csv" and data[:end].count(b'"') % 2:
                end = data.find(b"\n", end + 1)
            if end >= 0:
                return data[: end + 1]
            if len(data) < size:
                raise BulkError(f"{self.files.target}: changed by someone else during the run")
            size *= 8

    # --- bookkeeping ------------------------------------------------------------------------------

    def _mark(self, row: int) -> None:
        place = row >> 3
        if place >= len(self._bitmap):
            self._bitmap.extend(bytes(place - len(self._bitmap) + 1024))
        self._bitmap[place] |= 1 << (row & 7)

    def _is_done(self, row: int) -> bool:
        place = row >> 3
        return place < len(self._bitmap) and bool(self._bitmap[place] & 1 << (row & 7))

    async def _tick(self) -> None:
        while self._on_tick is not None:
            await asyncio.sleep(0.5)
            now = asyncio.get_running_loop().time()
            silent = sorted({lane.operator.name for lane in self._validator.engine.lanes.silent(now)})
            self._on_tick(self.progress, silent)
