"""The output of a run, which is its checkpoint: records, what is held back, and how to take up an old one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from validator.ledger import Ledger, hashed
from validator.rows import Format, Row
from validator.syntax import SyntaxProblem, parse_address


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


class Output:
    """The file that is written.

    Args:
        files: What to read and write.
        format_: How a record looks.
        progress: Updated as records are written.
        on_trouble: Called when the file can take no more; `trouble` says why.

    Raises:
        BulkError: if the file cannot be written, or is not this list's.
    """

    def __init__(
        self, files: Files, format_: Format, progress: Progress, on_trouble: Callable[[], None]
    ) -> None:
        self.files = files
        self.progress = progress
        self.trouble: Exception | None = None
        self._format = format_
        self._on_trouble = on_trouble
        self._bitmap = bytearray()
        self._next = 1
        self._buffer: list[bytes] = []
        self._length = 0
        self._flushing = False
        self._open()

    def close(self, *, complete: bool) -> None:
        """Close; the ledger is removed if the run is complete."""
        self.ledger.close(remove=complete)
        os.close(self._fd)

    def _open(self) -> None:
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
            self.ledger = Ledger(state, durable=self.files.ordered)
        except (OSError, sqlite3.Error) as error:
            raise BulkError(f"{target}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._begin(going_on=going_on)
        except BaseException:
            self.close(complete=False)
            raise

    def _begin(self, *, going_on: bool) -> None:
        self._length = os.fstat(self._fd).st_size
        if going_on:
            self._take_up()
        self._check_same_input()
        if not self._length and (head := self._format.head()):
            self._write_out(head)
            self.flush()

    def _check_same_input(self) -> None:
        if self.files.source == "-":
            return
        with open(self.files.source, "rb") as stream:
            head = stream.read(65536)
        now = f"{hashlib.blake2b(head, digest_size=16).hexdigest()} {self.files.ordered}"
        before = self.ledger.meta("input")
        if before is not None and before != now:
            raise BulkError(
                f"{self.files.target} was begun from another list or order than {self.files.source}"
            )
        self.ledger.put_meta("input", now)
        self.ledger.commit(now=True)

    def _take_up(self) -> None:
        """Read what an earlier run has written; cut off a half-written record."""
        self.ledger.forget_places()
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
        for row, key in self.ledger.held_rows():
            if self.is_done(row):  # written, but the process ended before the ledger knew
                self.ledger.release(row)
                continue
            self._mark(row)
            self.ledger.put_place(key, -row)
        self.progress.resumed = self.progress.done
        if self.files.ordered:
            self._drain_held()
        self.flush()

    def _count_written(self, at: int, record: bytes) -> None:
        try:
            row, found = self._format.parse(record)
        except (ValueError, KeyError) as error:
            raise BulkError(f"{self.files.target}: byte {at}: {error}") from None
        self._mark(row)
        self._next = row + 1
        self.progress.done += 1
        self.progress.statuses[str(found["status"])] += 1
        key = key_of(self._format.address(record))
        if key is not None:
            self.ledger.put_place(key, at)
            self.ledger.commit()

    # --- writing ----------------------------------------------------------------------------------

    def written(self, row: Row, key: int | None, found: dict[str, Any]) -> None:
        """Take a verdict: to the file, or on `ordered` aside until its turn."""
        if self.trouble is not None:
            return
        found = {**found, "email": row.address} if "email" in found else found
        record = self._format.record(row, found)
        self._mark(row.number)
        if self.files.ordered and row.number != self._next:
            self.ledger.hold(row.number, key or 0, record)
            if key is not None:
                self.ledger.put_place(key, -row.number)
        else:
            self._put(row.number, key, record, str(found["status"]))
            if self.files.ordered:
                self._drain_held()
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _put(self, row: int, key: int | None, record: bytes, status: str) -> None:
        if key is not None:
            self.ledger.put_place(key, self._length)
        self._write_out(record)
        self._next = row + 1
        self.progress.done += 1
        self.progress.statuses[status] += 1

    def _drain_held(self) -> None:
        while (held := self.ledger.held(self._next)) is not None:
            key, record = held
            row = self._next
            _, found = self._format.parse(record)
            self._put(row, key or None, record, str(found["status"]))
            self.ledger.release(row)

    def _write_out(self, data: bytes) -> None:
        self._buffer.append(data)
        self._length += len(data)

    def flush(self) -> None:
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
            self.ledger.commit()
        except (OSError, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, at)
            why = getattr(error, "strerror", None) or str(error)
            self.trouble = BulkError(f"{self.files.target}: {why}; make room and go on with --resume")
            self._on_trouble()

    def read_back(self, place: int) -> dict[str, Any]:
        """The verdict that stands at a place of the ledger."""
        if place < 0:
            held = self.ledger.held(-place)
            record = held[1] if held else b""
        else:
            self.flush()
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

    def is_done(self, row: int) -> bool:
        """Whether a row's verdict is known already."""
        place = row >> 3
        return place < len(self._bitmap) and bool(self._bitmap[place] & 1 << (row & 7))


def key_of(address: str) -> int | None:
    """The same for addresses that are the same; None for what is no address."""
    try:
        return hashed(parse_address(address).text.lower())
    except SyntaxProblem:
        return None
