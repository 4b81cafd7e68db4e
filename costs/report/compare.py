"""What changed since an earlier report: line by line, and in sum."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from costs.money import Monthly
from costs.shapes import MonthlyCents, Result
from costs.statement import Statement


class BaselineError(ValueError):
    """A baseline cannot be compared with; the message says why."""


class LineChange(Result):
    """A line that differs.

    Args:
        id: the line.
        quantity_before: how many; 0 if there was no such line.
        quantity_after: how many; 0 if there is none.
        before: what it cost a month; None if unknown.
        after: what it costs; None if unknown.
        difference: how much more that is; None if either is unknown.
    """

    id: str
    quantity_before: int
    quantity_after: int
    before: MonthlyCents | None
    after: MonthlyCents | None
    difference: MonthlyCents | None


class Comparison(Result):
    """A report beside an earlier one.

    Args:
        baseline: the earlier one: fleet, book and its date.
        before: its total; None if unknown.
        after: the total now; None if unknown.
        difference: how much more that is; None if either is unknown.
        lines: the lines that differ.
    """

    baseline: str
    before: MonthlyCents | None
    after: MonthlyCents | None
    difference: MonthlyCents | None
    lines: tuple[LineChange, ...]


def read_baseline(path: Path) -> Mapping[str, Any]:
    """Read an earlier report's JSON.

    Raises:
        BaselineError: the file is missing, or is not a report.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BaselineError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BaselineError(f"{path} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != 1 or "statement" not in data:
        raise BaselineError(
            f"{path} is not a cost report of version 1: give the report.json of an earlier one"
        )
    found: Mapping[str, Any] = data
    return found


def compare(now: Statement, baseline: Mapping[str, Any]) -> Comparison:
    """Set a statement beside an earlier report.

    Args:
        now: the statement as it is.
        baseline: the earlier report, as :func:`read_baseline` returns it.

    Raises:
        BaselineError: the earlier report is in another currency.
    """
    then = baseline["statement"]
    if then["currency"] != now.currency:
        raise BaselineError(
            f"the baseline is in {then['currency']}, this report in {now.currency}: no rate is known"
        )
    before, after = _money(then["total_monthly"], now.currency), now.total_monthly
    return Comparison(
        baseline=f"{then['fleet']}, book {then['book']} of {then['dated']}",
        before=before,
        after=after,
        difference=_difference(before, after),
        lines=tuple(_changes(now, then)),
    )


def _changes(now: Statement, then: Mapping[str, Any]) -> Iterator[LineChange]:
    had = {line["id"]: line for line in then["lines"]}
    has = {line.id: line for line in now.lines}
    nothing = Monthly.zero(now.currency)
    for name in [*has, *(name for name in had if name not in has)]:
        old, new = had.get(name), has.get(name)
        before = _money(old["monthly"], now.currency) if old else nothing
        after = new.monthly if new else nothing
        counts = (old["quantity"] if old else 0, new.quantity if new else 0)
        if before != after or counts[0] != counts[1]:
            yield LineChange(
                id=name,
                quantity_before=counts[0],
                quantity_after=counts[1],
                before=before,
                after=after,
                difference=_difference(before, after),
            )


def _money(digits: str | None, currency: str) -> Monthly | None:
    return None if digits is None else Monthly(Decimal(digits), currency)


def _difference(before: Monthly | None, after: Monthly | None) -> Monthly | None:
    return None if before is None or after is None else after - before
