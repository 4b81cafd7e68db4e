"""Rows of a list that say the same: checked once, answered each."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

from api.jobs import schema
from validator.syntax import SyntaxProblem, parse_address


def sameness(address: bytes) -> bytes:
    """The same for addresses that are the same: without regard to case, blanks around and U- or A-label."""
    if address.isascii():
        return address.strip().lower()
    try:
        return parse_address(address.decode("utf-8", "surrogatepass")).text.lower().encode()
    except (SyntaxProblem, UnicodeError):
        return address


def find_twins(path: Path, number: int, batch: int) -> Generator[list[tuple[int, int]], None, None]:
    """Pairs (earlier row, later row) that say the same, so many at a time.

    SQLite sorts the list outside memory, by a connection of its own: 1,000,000 rows take seconds, in which
    other jobs are read and written.
    """
    connection = schema.connect(path, read_only=True)
    try:
        with schema.errors(path):
            connection.create_function("sameness", 1, sameness, deterministic=True)
            rows = connection.execute(
                "SELECT sameness(text), row FROM address WHERE job = ? ORDER BY 1, 2", (number,)
            )
            pairs = _pairs((bytes(row[0]), int(row[1])) for row in rows)
            while found := list(islice(pairs, batch)):
                yield found
    finally:
        connection.close()


def _pairs(rows: Iterator[tuple[bytes, int]]) -> Iterator[tuple[int, int]]:
    last, first = None, 0
    for same, row in rows:
        if same == last:
            yield first, row
        else:
            last, first = same, row
