"""`outreach costs`: what the fleet costs now and at any size, what it carries, and what is cheapest."""

from __future__ import annotations

import os
import sys
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from cli import fail, one_line
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from cli.sheets import Format, FormatOption, show
from costs.audit import audit as findings_of
from costs.budget import NothingToPayError, UnknownPriceError
from costs.capacity import capacity as capacity_of
from costs.charges import SERVICES, Component, Scope
from costs.holdings import Holdings
from costs.limits import Limits, LimitsError, limits
from costs.mails import mail_costs
from costs.optimise import NoChoiceError
from costs.optimise import optimise as optimum_of
from costs.pricebook import BOOKS, PriceBook, PriceBookError
from costs.refresh import ENDPOINT, RefreshError, fetch_pricing, listed_lines
from costs.refresh import refresh as refreshed
from costs.report.budget_sheets import audit_sheet, budget_sheets, mail_sheets
from costs.report.capacity_sheets import capacity_sheets, limits_sheet
from costs.report.compare import BaselineError, read_baseline
from costs.report.size_sheets import books_sheet, optimum_sheets, refresh_sheet, scaling_sheets
from costs.scaling import scaling as scaling_of
from costs.scaling import staircase
from costs.statement import statement
from inventory import allocate

app = App(name="costs")

OVER_BUDGET = 3
CHANGED = 2
USER_ERRORS = (
    PriceBookError,
    UnknownPriceError,
    NothingToPayError,
    LimitsError,
    NoChoiceError,
    BaselineError,
)


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
    _: KW_ONLY
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
        with one_line(*USER_ERRORS):
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


def at_least_1(_: object, accounts: int | None) -> None:
    """End with one clear line where a number of accounts is none."""
    if accounts is not None and accounts < 1:
        fail(f"--accounts {accounts}: a fleet has at least 1 account")


@app.command
def budget(priced: Priced = PRICED, *, form: FormatOption = Format.TABLE) -> None:
    """Show what the fleet costs a month, line by line, and what the alternatives would cost."""
    holdings, book, scope = priced.read()
    with one_line(*USER_ERRORS):
        found = statement(holdings, book, scope)
    show(form, found, budget_sheets(found))


@app.command
def scaling(
    priced: Priced = PRICED,
    *,
    accounts: Annotated[int, Parameter(help="Size to compute, in accounts.", validator=at_least_1)],
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what the fleet costs at another size, and how the cost goes from 100 to 1,000,000 accounts."""
    holdings, book, scope = priced.read()
    with one_line(*USER_ERRORS):
        found = scaling_of(holdings, book, accounts, scope)
    show(form, found, scaling_sheets(found))


@app.command
def capacity(
    fleet: FleetFile = DEFAULT_FILE, *, assume: Assumed = None, form: FormatOption = Format.TABLE
) -> None:
    """Show what the fleet carries beside its limits, what breaks first, and the warm-up day by day."""
    found = capacity_of(Holdings.of(allocate(read_fleet(fleet))), assumed(assume))
    show(form, found, capacity_sheets(found))


@app.command
def mails(priced: Priced = PRICED, *, form: FormatOption = Format.TABLE) -> None:
    """Show what one mail costs, and one account, domain and node."""
    holdings, book, scope = priced.read()
    with one_line(*USER_ERRORS):
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
    accounts: Annotated[int, Parameter(help="Accounts to carry.", validator=at_least_1)],
    assume: Assumed = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find the cheapest node type, node count and domain count for so many accounts, and what limits cost."""
    holdings, book, _ = priced.read()
    with one_line(*USER_ERRORS):
        found = optimum_of(holdings, book, accounts, assumed(assume))
    show(form, found, optimum_sheets(found))


@app.command
def report(
    priced: Priced = PRICED,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Folder for every form; without it, Markdown is printed."),
    ] = None,
    accounts: Annotated[
        int | None,
        Parameter(help="The other size to compute; by default the seed's 5,000.", validator=at_least_1),
    ] = None,
    baseline: Annotated[
        Path | None, Parameter(help="report.json of an earlier report to compare with.")
    ] = None,
    budget: Annotated[
        str | None, Parameter(help="The most it may cost a month; exit 3 if it costs more.")
    ] = None,
    start: Annotated[
        str | None, Parameter(help="First month of the FOCUS year, YYYY-MM; by default the book's next.")
    ] = None,
    assume: Assumed = None,
) -> int:
    """Write the whole report: Markdown, CSV, JSON with its schema, FOCUS, one HTML page, charts as PNG."""
    from costs.report.model import report as report_of  # noqa: PLC0415 - the charts' library is slow to load
    from costs.report.model import verdict  # noqa: PLC0415
    from costs.report.write import files, markdown, write  # noqa: PLC0415

    holdings, book, scope = priced.read()
    first = _first_month(start, book)
    with one_line(*USER_ERRORS):
        found = report_of(
            holdings, book, scope, accounts=accounts, bounds=assumed(assume), limit=_limit(budget)
        )
        if baseline:
            found = found.compared(read_baseline(baseline))
    if output:
        stairs = staircase(holdings, book, scope) if found.scaling else ()
        try:
            write(files(found, stairs, first), output)
        except OSError as error:
            fail(f"{output} cannot be written ({error.strerror})")
        sys.stderr.write(f"{output}: report.html, report.md, report.json and more\n")
    else:
        sys.stdout.write(markdown(found))
    if found.over_limit:
        sys.stderr.write(f"outreach: {verdict(found)}\n")
        return OVER_BUDGET
    return 0


def _limit(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        limit = Decimal(text)
    except InvalidOperation:
        limit = Decimal("NaN")
    if not (limit.is_finite() and limit > 0):
        fail(f"--budget {text}: give an amount a month in the book's currency, such as 400 or 399.50")
    return limit


def _first_month(text: str | None, book: PriceBook) -> date:
    if text is None:
        return (book.dated.replace(day=1) + timedelta(days=32)).replace(day=1)
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        fail(f"--start {text}: give a month as YYYY-MM")


@app.command
def schema() -> None:
    """Print the JSON Schema of report.json."""
    from costs.report.write import schema as schema_of  # noqa: PLC0415 - the charts' library is slow to load

    sys.stdout.write(schema_of())


@app.command
def books(*, form: FormatOption = Format.TABLE) -> None:
    """List the price books that come along."""
    found = tuple(PriceBook.load(path.stem) for path in sorted(BOOKS.glob("*.yaml")))
    show(form, found, [books_sheet(found)])


@app.command(name="limits")
def figures(*, assume: Assumed = None, form: FormatOption = Format.TABLE) -> None:
    """List the figures behind limits and choice, with their sources; `--assume` replaces them."""
    found = assumed(assume)
    show(form, found, [limits_sheet(found)])


@app.command
def refresh(
    *,
    book: Annotated[str, Parameter(help="Price book: a name or a .yaml file.")] = "current",
    location: Annotated[str, Parameter(help="Whose prices count, by Hetzner's own name.")] = "fsn1",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write the book with the listed prices here.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> int:
    """Set Hetzner's own price list beside a book's prices; exit 2 if any differs.

    Reads HCLOUD_TOKEN, and HCLOUD_ENDPOINT where it is not the public API. Prices are those of the token's
    project: net, in its currency.
    """
    token = os.environ.get("HCLOUD_TOKEN") or fail("HCLOUD_TOKEN is not set: a token of any Hetzner project")
    today = datetime.now(UTC).date()
    try:
        pricing = fetch_pricing(token, os.environ.get("HCLOUD_ENDPOINT", ENDPOINT))
        listed = listed_lines(pricing, location, today)
    except RefreshError as error:
        fail(str(error))
    with one_line(*USER_ERRORS):
        found, renewed = refreshed(PriceBook.load(book), listed, location, today)
    show(form, found, [refresh_sheet(found)])
    if output:
        output.write_text(renewed.to_yaml(), "utf-8")
    return CHANGED if found.changes else 0


def assumed(pairs: list[str] | None) -> Limits:
    """The limits, with what `--assume` replaces in them."""
    given = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"--assume {pair}: write KEY=VALUE, such as mail_kb=120")
        given[name] = value
    with one_line(*USER_ERRORS):
        return limits().assuming(given)
