"""Results of a command in the form asked for: tables that fit a terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic_core import to_jsonable_python

from costs.report.sheet import Sheet, text, to_csv, to_markdown

if TYPE_CHECKING:
    from rich.table import Table


class Format(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


FormatOption = Annotated[Format, Parameter(name="--format", help="csv has the first table alone.")]


def show(form: Format, result: object, sheets: Iterable[Sheet]) -> None:
    """Print a result in the form asked for."""
    if form is Format.JSON:
        data = to_jsonable_python(result)
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    elif form is Format.CSV:
        sys.stdout.write(to_csv(next(iter(sheets))))
    elif form is Format.MARKDOWN:
        sys.stdout.write("\n".join(to_markdown(sheet) for sheet in sheets if not sheet.detail))
    else:
        print_tables(sheets)


def print_tables(sheets: Iterable[Sheet]) -> None:
    """Print sheets as tables that fit the terminal."""
    from rich.console import Console  # noqa: PLC0415 - JSON and CSV do without it

    console = Console(highlight=False)
    for sheet in sheets:
        if not sheet.detail:
            console.print(table(sheet))
            for note in sheet.notes:
                console.print(note, style="dim", markup=False)
            console.print()


def table(sheet: Sheet) -> Table:
    """A sheet as a table for the terminal."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = [index for index, column in enumerate(sheet.columns) if not column.detail]
    made = Table(
        box=SIMPLE_HEAD, title=Text(sheet.title, style="bold"), title_justify="left", padding=(0, 1, 0, 0)
    )
    for index in shown:
        column = sheet.columns[index]
        made.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    for row in sheet.rows:
        style = {"line": None, "subtotal": "dim", "total": "bold"}[row.kind]
        made.add_row(
            *(Text(text(row.cells[index])) for index in shown),
            style=style,
            end_section=row.kind == "subtotal",
        )
    return made
