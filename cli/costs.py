"""`outreach costs`: what the fleet costs now and at any size, what it carries, and what is cheapest."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from pydantic import BaseModel

from cli import fail
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from costs.audit import audit as findings_of
from costs.budget import SERVICES, Component, Scope, UnknownPriceError
from costs.capacity import capacity as capacity_of
from costs.holdings import Holdings
from costs.limits import Limits, LimitsError, limits
from costs.mails import mail_costs
from costs.optimise import NoChoiceError
from costs.optimise import optimise as optimum_of
from costs.pricebook import PriceBook, PriceBookError
from costs.report.budget_sheets import audit_sheet, budget_sheets, mail_sheets
from costs.report.capacity_sheets import capacity_sheets
from costs.report.sheet import Sheet, text, to_csv, to_markdown
from costs.report.size_sheets import optimum_sheets, scaling_sheets
from costs.scaling import scaling as scaling_of
from costs.statement import statement
from inventory import allocate

if TYPE_CHECKING:
    from rich.table import Table

app = App(
    name="costs", help="What the fleet costs now and at any size, what it carries, and what is cheapest."
)

OVER_BUDGET = 3
CHANGED = 2


class Format(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


FormatOption = Annotated[
    Format, Parameter(name="--format", help="table, markdown, csv (first table) or json.")
]


@Parameter(name="*")
@dataclass(frozen=True)
class Priced:
    """Which fleet is priced, and by which prices.

    Args:
        fleet: the fleet file.
        book: the price book.
        currency: the currency its prices are read in.
        without: components left out.
        also: services the book leaves out by default.
    """

    fleet: FleetFile = DEFAULT_FILE
    book: Annotated[
        str | None, Parameter(help="Price book: a name or a .yaml file; by default the fleet file's.")
    ] = None
    currency: Annotated[str | None, Parameter(help="ISO 4217 code; by default the book's own.")] = None
    without: Annotated[
        list[Component] | None, Parameter(help="Leave a component out.", negative="", consume_multiple=False)
    ] = None
    also: Annotated[
        list[Component] | None,
        Parameter(help="Count a service that the book leaves out.", negative="", consume_multiple=False),
    ] = None

    def read(self) -> tuple[Holdings, PriceBook, Scope]:
        """Read both files, or end with one line on what is wrong."""
        described = read_fleet(self.fleet)
        unfit = [component for component in self.also or () if component not in SERVICES]
        if unfit:
            fail(f"--also {unfit[0]}: only a service can be added: {', '.join(SERVICES)}")
        with clear_errors():
            book = PriceBook.load(self.book or described.prices, self.currency)
        scope = Scope(without=frozenset(self.without or ()), also=frozenset(self.also or ()))
        return Holdings.of(allocate(described)), book, scope


PRICED = Priced()

Assumed = Annotated[
    list[str] | None,
    Parameter(
        name="--assume",
        help="KEY=VALUE: another figure for a limit, see `outreach costs limits`.",
        negative="",
        consume_multiple=False,
    ),
]


@contextmanager
def clear_errors() -> Iterator[None]:
    """End with one clear line where the input is at fault."""
    try:
        yield
    except (PriceBookError, UnknownPriceError, LimitsError, NoChoiceError) as error:
        fail(str(error))


@app.command
def budget(priced: Priced = PRICED, *, form: FormatOption = Format.TABLE) -> None:
    """Show what the fleet costs a month, line by line, and what the alternatives would cost."""
    holdings, book, scope = priced.read()
    with clear_errors():
        found = statement(holdings, book, scope)
    show(form, found, budget_sheets(found))


@app.command
def scaling(
    priced: Priced = PRICED,
    *,
    accounts: Annotated[int, Parameter(help="Size to compute, in accounts.")],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what the fleet costs at another size, and how the cost goes from 100 to 1,000,000 accounts."""
    holdings, book, scope = sized(priced, accounts)
    with clear_errors():
        found = scaling_of(holdings, book, accounts, scope)
    show(form, found, scaling_sheets(found))


@app.command
def capacity(
    fleet: FleetFile = DEFAULT_FILE, *, assume: Assumed = None, form: FormatOption = Format.TABLE
) -> None:
    """Show what the fleet carries beside its limits, what breaks first, and the warm-up day by day."""
    holdings = with_accounts(Holdings.of(allocate(read_fleet(fleet))), fleet)
    found = capacity_of(holdings, assumed(assume))
    show(form, found, capacity_sheets(found))


@app.command
def mails(priced: Priced = PRICED, *, form: FormatOption = Format.TABLE) -> None:
    """Show what one mail costs, and one account, domain and node."""
    holdings, book, scope = sized(priced, 1)
    with clear_errors():
        found = mail_costs(holdings, book, scope)
    show(form, found, mail_sheets(found))


@app.command
def audit(*, form: FormatOption = Format.TABLE) -> None:
    """List every contradiction in the seed document's figures, with the corrected value and why."""
    found = findings_of()
    show(form, found, [audit_sheet(found)])


@app.command
def optimise(
    priced: Priced = PRICED,
    *,
    accounts: Annotated[int, Parameter(help="Accounts to carry.")],
    assume: Assumed = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find the cheapest node type, node count and domain count for so many accounts, and what limits cost."""
    holdings, book, _ = sized(priced, accounts)
    with clear_errors():
        found = optimum_of(holdings, book, accounts, assumed(assume))
    show(form, found, optimum_sheets(found))


def sized(priced: Priced, accounts: int) -> tuple[Holdings, PriceBook, Scope]:
    """Read both files for a command that divides by accounts."""
    if accounts < 1:
        fail(f"--accounts {accounts}: a fleet has at least 1 account")
    holdings, book, scope = priced.read()
    return with_accounts(holdings, priced.fleet), book, scope


def with_accounts(holdings: Holdings, fleet: Path) -> Holdings:
    """The holdings of a fleet that has accounts to divide by."""
    if not holdings.accounts:
        fail(f"{fleet} has no accounts: give accounts.per_domain and accounts.names")
    return holdings


def assumed(pairs: list[str] | None) -> Limits:
    """The limits, with what `--assume` replaces in them."""
    given = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--assume {pair}: write KEY=VALUE, such as mail_kb=120")
        given[name] = value
    with clear_errors():
        return limits().assuming(given)


def show(form: Format, result: BaseModel | tuple[BaseModel, ...], sheets: Iterable[Sheet]) -> None:
    """Print a result in the form asked for."""
    if form is Format.JSON:
        data = (
            result.model_dump(mode="json")
            if isinstance(result, BaseModel)
            else [entry.model_dump(mode="json") for entry in result]
        )
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
        made.add_column(Text(column.name), justify="right" if column.right else "left", no_wrap=column.right)
    for row in sheet.rows:
        style = {"line": None, "subtotal": "dim", "total": "bold"}[row.kind]
        made.add_row(
            *(Text(text(row.cells[index])) for index in shown),
            style=style,
            end_section=row.kind == "subtotal",
        )
    return made
