"""A list that was handed in, read again by row: what its rows carry beside the address."""

from __future__ import annotations

import os
import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from engine.messages import kept
from validator.rows import InputError, Reader, Row

_PLACE = struct.Struct("<q")


class Listed:
    """The list; use as `with`.

    Verdicts come in any order, and a list may be longer than memory. So it is read once to note where each
    record begins, in a file of 8 bytes a row that goes with the process, and then from there.

    Attributes:
        source: the list.
        kind: txt, csv or jsonl.
        column: address column or key; empty to find it.
        header: columns of a csv; else empty.
        index: of the address among them.
        count: rows.
    """

    def __init__(self, source: Path, kind: str, column: str = "") -> None:
        self.source = source
        self.kind, self.column = kind, column
        self.header: list[str] = []
        self.index = 0
        self.count = 0

    def __enter__(self) -> Self:
        """Open, and note the places.

        Raises:
            InputError: it cannot be read.
        """
        try:
            with ExitStack() as stack:
                stream = stack.enter_context(self.source.open("rb"))
                self._places = stack.enter_context(tempfile.TemporaryFile())
                self._reader = Reader(stream, str(self.source), self.kind, self.column)
                self._note_places()
                self._stack = stack.pop_all()
        except OSError as error:
            raise InputError(f"{self.source}: {error.strerror}") from None
        self.header, self.index = self._reader.header, self._reader.index
        return self

    def _note_places(self) -> None:
        place = self._reader.place()
        for _ in self._reader.rows():
            self._places.write(_PLACE.pack(place))
            place = self._reader.place()
            self.count += 1
        self._places.flush()

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._stack.close()

    def row(self, number: int, address: str) -> Row:
        """A row of the list.

        Args:
            number: 1 is the first.
            address: what the fleet took for this row's address.

        Raises:
            InputError: it is another, so the list is another or was changed.
        """
        found = None
        if 1 <= number <= self.count:
            place = os.pread(self._places.fileno(), _PLACE.size, (number - 1) * _PLACE.size)
            found = self._reader.row_at(*_PLACE.unpack(place))
        if found is None or kept(found.address) != address:
            raise InputError(f"{self.source}: row {number} is not the one that was handed in ({address})")
        found.number = number
        return found
