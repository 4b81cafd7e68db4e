"""A table before it has a form: the same rows become terminal, Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from costs.money import Money, round_half_up

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money with more decimals than cents."""

    money: Money
    places: int


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number with so many decimals."""

    value: Decimal
    places: int = 1


Cell = str | int | Money | Amount | Number | None
"""What a cell holds; None is what is not known."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        name: its heading, with the unit where the cells have none.
        right: whether its cells stand at the right, as numbers do.
        detail: whether a terminal of 80 columns does without it.
        minor: whether a telephone does without it.
    """

    name: str
    right: bool = False
    detail: bool = False
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row: one line, or the sum of some."""

    cells: tuple[Cell, ...]
    kind: Literal["line", "subtotal", "total"] = "line"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its title.

    Args:
        id: its name in file names and anchors.
        title: what to see in it.
        columns: its columns.
        rows: its rows, each as long as the columns.
        notes: sentences to read below it.
        detail: whether a terminal does without it.
        prose: whether the last column is sentences, which a telephone shows below the others.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    detail: bool = False
    prose: bool = False


def text(cell: Cell) -> str:
    """A cell for people: `$1,243.50`, `1,200`, `unknown`."""
    match cell:
        case None:
            return UNKNOWN
        case Amount(money, places):
            return money.text(places)
        case Number(value, places):
            return f"{round_half_up(value, places):,f}"
        case Money():
            return cell.text()
        case int():
            return f"{cell:,}"
        case _:
            return cell


def digits(cell: Cell) -> str:
    """A cell for machines: `1243.50`, `1200`, `unknown`."""
    match cell:
        case Amount(money, places):
            return money.fixed(places)
        case Number(value, places):
            return f"{round_half_up(value, places):f}"
        case Money():
            return cell.fixed()
        case int():
            return str(cell)
        case _:
            return text(cell)


def to_csv(sheet: Sheet) -> str:
    """The sheet as CSV (RFC 4180 with line feeds); the first column says whether a row is a line or a sum."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", *(column.name for column in sheet.columns)])
    writer.writerows([row.kind, *map(digits, row.cells)] for row in sheet.rows)
    return out.getvalue()


def to_markdown(sheet: Sheet, level: int = 2) -> str:
    """The sheet as a Markdown section with a table."""
    rule = ["--:" if column.right else ":--" for column in sheet.columns]
    lines = [
        f"{'#' * level} {sheet.title}",
        "",
        _bar([column.name for column in sheet.columns]),
        _bar(rule),
        *(_bar([_strong(row, text(cell)) for cell in row.cells]) for row in sheet.rows),
    ]
    for note in sheet.notes:
        lines += ["", _escaped(note)]
    return "\n".join(lines) + "\n"


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _strong(row: Row, cell: str) -> str:
    return f"**{cell}**" if row.kind != "line" and cell else cell


def _escaped(cell: str) -> str:
    """Dollar signs would open formulas on some pages, bars would end the cell."""
    return cell.replace("|", "\\|").replace("$", "\\$")
