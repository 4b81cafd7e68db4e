"""Lists of addresses as files: txt, csv and jsonl, read and written a record at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from validator.verdict import Verdict

LONGEST_LINE = 1 << 20
ADDRESS_COLUMNS = ("email", "e-mail", "email_address", "emailaddress", "email address", "address", "mail")
# The columns of a CSV result, after the input's own.
COLUMNS = [
    "row",
    "status",
    "label",
    "valid",
    "reason",
    "details",
    "confidence",
    "code",
    "enhanced",
    "stage",
    "mx_host",
    "operator",
    "source_ip",
    "suggestion",
    "disposable",
    "role",
    "free",
]
csv.field_size_limit(LONGEST_LINE)


class InputError(Exception):
    """A list that cannot be read; the message names the file and the place."""


@dataclass(slots=True)
class Row:
    """One record: its number (1 is the first), the address in it, and what else it carries."""

    number: int
    address: str
    fields: list[str] = field(default_factory=list)
    extra: dict[str, Any] | None = None
    problem: str = ""


class Reader:
    """Reads records one by one; memory does not grow with the file.

    Args:
        stream: The bytes.
        name: For messages.
        kind: txt, csv or jsonl.
        column: Name of the address column or key; empty to find it.
    """

    def __init__(self, stream: BinaryIO, name: str, kind: str, column: str = "") -> None:
        self.name = name
        self.kind = kind
        self.header: list[str] = []
        self._stream = stream
        self._column = column
        self._line = 0
        self._delimiter = ","
        self.index = 0
        self._lines = self._decoded()
        if kind == "csv":
            self._read_header()

    def rows(self) -> Iterator[Row]:
        """The records.

        Raises:
            InputError: where reading cannot go on.
        """
        reader = {"txt": self._txt, "csv": self._csv, "jsonl": self._jsonl}[self.kind]
        return reader()

    def place(self) -> int:
        """Where in the stream the next record begins, blank lines before it included."""
        return self._stream.tell()

    def row_at(self, place: int) -> Row | None:
        """Read again the record that begins at a :meth:`place`, as if it were the first; None at the end.

        Raises:
            InputError: where reading cannot go on.
        """
        self._stream.seek(place)
        self._line = int(place > 0)
        self._lines = self._decoded()
        return next(self.rows(), None)

    def _decoded(self) -> Iterator[str]:
        """Lines as text; bytes that are no UTF-8 survive as surrogates, an endless line is cut."""
        while raw := self._stream.readline(LONGEST_LINE):
            self._line += 1
            if self._line == 1:
                if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InputError(f"{self.name}: the file is UTF-16; save it as UTF-8")
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not raw.endswith(b"\n") and len(raw) >= LONGEST_LINE:
                while (rest := self._stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                raw = raw[:4096] + b"\n"
            yield raw.decode("utf-8", "surrogateescape")

    def _txt(self) -> Iterator[Row]:
        number = 0
        for line in self._lines:
            address = line.strip()
            if address:
                number += 1
                yield Row(number, address)

    def _read_header(self) -> None:
        first = next(self._lines, "")
        if not first.strip():
            raise InputError(f"{self.name}: the file is empty; a CSV list needs a header line")
        self._delimiter = max(",;\t|", key=first.count)
        try:
            self.header = next(csv.reader([first], delimiter=self._delimiter))
        except csv.Error as error:
            raise InputError(f"{self.name}:1: {error}") from None
        names = [name.strip().lower() for name in self.header]
        wanted = (self._column.lower(),) if self._column else ADDRESS_COLUMNS
        for name in wanted:
            if name in names:
                self.index = names.index(name)
                return
        what = f"no column {self._column!r}" if self._column else "no column called email"
        raise InputError(f"{self.name}:1: {what}; columns are: {', '.join(self.header)}")

    def _csv(self) -> Iterator[Row]:
        number = 0
        reader = csv.reader(self._lines, delimiter=self._delimiter)
        while True:
            try:
                fields = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{self.name}:{self._line}: {error}; is a quote left open?") from None
            if fields is None:
                return
            if fields:
                number += 1
                width = len(self.header)
                address = fields[self.index] if self.index < len(fields) else ""
                yield Row(number, address.strip(), (fields + [""] * width)[: max(width, len(fields))])

    def _jsonl(self) -> Iterator[Row]:
        number = 0
        for line in self._lines:
            if not line.strip():
                continue
            number += 1
            yield self._json_row(number, line)

    def _json_row(self, number: int, line: str) -> Row:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return Row(number, "", problem=f"Line {self._line} is not JSON.")
        if isinstance(value, str):
            return Row(number, value.strip())
        if not isinstance(value, dict):
            return Row(number, "", problem=f"Line {self._line} is neither an object nor a string.")
        keys = (self._column,) if self._column else ADDRESS_COLUMNS
        for key in keys:
            if isinstance(value.get(key), str):
                return Row(number, value[key].strip(), extra=value)
        return Row(number, "", extra=value, problem=f"Line {self._line} has no text under {keys[0]!r}.")


def kind_of(path: str, given: str = "") -> str:
    """The format by name: `.csv`, `.tsv`, `.jsonl`, `.ndjson`, else txt."""
    if given:
        return given
    suffix = Path(path).suffix.lower()
    return {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}.get(
        suffix, "txt"
    )


class Format:
    """Records of the result, to bytes and back.

    Args:
        kind: csv or jsonl.
        header: Columns of the input, carried through.
        address: Index of the address among them.
    """

    def __init__(self, kind: str, header: list[str], address: int = 0) -> None:
        self.kind = kind
        self.carried = header or ["email"]
        self._address = address
        taken = {name.lower() for name in self.carried}
        self._names = [f"check_{name}" if name in taken else name for name in COLUMNS]

    def head(self) -> bytes:
        """What stands before the first record."""
        return _csv_line([*self.carried, *self._names]) if self.kind == "csv" else b""

    def record(self, row: Row, found: dict[str, Any]) -> bytes:
        """One record: what the row carried, its number, the verdict."""
        if self.kind == "csv":
            fields = row.fields or [row.address]
            fields = (fields + [""] * len(self.carried))[: len(self.carried)]
            return _csv_line([*fields, str(row.number), *(_cell(found.get(name)) for name in COLUMNS[1:])])
        carried = dict(row.extra or {})
        if row.fields:
            carried.update(zip(self.carried, row.fields, strict=False))
        carried.pop("row", None)
        out = {"row": row.number, **found, **{k: v for k, v in carried.items() if k not in found}}
        return json.dumps(out, ensure_ascii=True).encode("ascii") + b"\n"

    def parse(self, record: bytes) -> tuple[int, dict[str, Any]]:
        """Row number and verdict of a record written before.

        Raises:
            ValueError: if it is not one.
        """
        if self.kind == "jsonl":
            found = json.loads(record)
            if not isinstance(found, dict) or "status" not in found:
                raise ValueError("not a result record")
            return int(found["row"]), found
        lines = io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")
        fields = next(csv.reader(lines), [])
        if len(fields) != len(self.carried) + len(COLUMNS):
            raise ValueError("not a result record")
        values = dict(zip(COLUMNS, fields[len(self.carried) :], strict=True))
        return int(values["row"]), values

    def address(self, record: bytes) -> str:
        """The address of a record, as far as it is written there."""
        if self.kind == "jsonl":
            return str(json.loads(record).get("email") or "")
        fields = next(csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")), [])
        return fields[self._address].strip()

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of each complete record; stops before a half-written one."""
        at = len(stream.readline()) if self.kind == "csv" else 0
        while line := stream.readline():
            record = line
            # A carried field may hold line breaks: a record ends where its quotes are even.
            while self.kind == "csv" and record.count(b'"') % 2 and (line := stream.readline()):
                record += line
            if not record.endswith(b"\n") or (self.kind == "csv" and record.count(b'"') % 2):
                return
            yield at, record
            at += len(record)


def verdict_dict(verdict: Verdict) -> dict[str, Any]:
    """The verdict without what a list does not need."""
    found = verdict.to_dict()
    found.pop("transcript", None)
    return found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _csv_line(fields: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue().encode("utf-8", "surrogateescape")
