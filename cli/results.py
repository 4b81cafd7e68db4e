"""A job's results as a file: csv or jsonl, as they come or in the order of the list, with little memory."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from cli.listed import Listed
from validator.rows import Format, Row


class ResultsError(Exception):
    """The file cannot be written; one line."""


class Results:
    """What is written; use as `with`.

    In order, lines wait in a file beside until all are known; a place in it for each row is all that memory
    holds.

    Args:
        target: csv or jsonl by its name.
        total: rows of the list.
        ordered: in the order of the list.
        listed: the list, whose columns are carried through; None for the address alone.

    Raises:
        ResultsError: it cannot be written, its name says no format, or the list has not so many rows.
    """

    def __init__(self, target: Path, total: int, *, ordered: bool, listed: Listed | None = None) -> None:
        if target.suffix not in (".csv", ".jsonl"):
            raise ResultsError(f"{target}: its name must end in .csv or .jsonl")
        self._target = target
        if listed is not None and listed.count != total:
            raise ResultsError(
                f"{listed.source} has {listed.count:,} rows, the job {total:,}:"
                " it is another list, or was changed"
            )
        self._listed = listed
        header, index = (listed.header, listed.index) if listed is not None else ([], 0)
        self._format = Format(target.suffix.removeprefix("."), header, index)
        self._places = array("q", [-1]) * (total + 1) if ordered else None
        self._sizes = array("i", [0]) * (total + 1) if ordered else array("i")
        self._part = target.with_name(f"{target.name}.part") if ordered else target
        self.count = 0
        self.last = 0

    def __enter__(self) -> Self:
        """Open."""
        try:
            self._file: BinaryIO = self._part.open("w+b")
            if self._places is None:
                self._file.write(self._format.head())
        except OSError as error:
            raise ResultsError(f"{self._part} cannot be written: {error.strerror}") from None
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Put the lines in order, if that is asked for and all came; close."""
        try:
            if self._places is not None and error is None:
                self._in_order(self._places)
            self._file.close()
        except OSError as wrong:
            raise ResultsError(f"{self._target} cannot be written: {wrong.strerror}") from None
        finally:
            if self._places is not None:
                self._part.unlink(missing_ok=True)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a line of `/jobs/{id}/results`.

        Raises:
            ResultsError: it cannot be written.
            InputError: the list's row is another.
        """
        try:
            record = self._record(row)
            if self._places is not None:
                self._places[row["row"]], self._sizes[row["row"]] = self._file.tell(), len(record)
            self._file.write(record)
        except OSError as error:
            raise ResultsError(f"{self._part} cannot be written: {error.strerror}") from None
        self.count += 1
        self.last = row["seq"]

    def _in_order(self, places: array[int]) -> None:
        with self._target.open("wb") as out:
            out.write(self._format.head())
            for place, size in zip(places, self._sizes, strict=True):
                if place >= 0:
                    self._file.seek(place)
                    out.write(self._file.read(size))

    def _record(self, row: Mapping[str, Any]) -> bytes:
        """As `validator bulk` writes it: `status` is the word for programs, `label` that for people."""
        place, email = row["row"], row["email"]
        listed = self._listed.row(place, email) if self._listed is not None else Row(place, email)
        found = {"email": listed.address, "status": row["verdict"], "label": row["status"]}
        found |= {name: value for name, value in row.items() if name not in {*found, "verdict", "seq", "row"}}
        return self._format.record(listed, found)
