"""The report as one value: every result together, the comparison with a baseline, the verdict on a budget."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Self

from costs.audit import Finding, audit
from costs.budget import NothingToPayError, UnknownPriceError
from costs.capacity import Capacity, capacity
from costs.charges import BY_DEFAULT, Scope
from costs.claims import claims
from costs.holdings import Holdings
from costs.limits import Limits
from costs.mails import MailCosts, mail_costs
from costs.money import Monthly
from costs.optimise import NoChoiceError, Optimum, optimise
from costs.pricebook import PriceBook
from costs.report.compare import Comparison, compare
from costs.scaling import Scaling, scaling
from costs.shapes import MonthlyCents, Result
from costs.statement import Statement, statement


class Report(Result):
    """What a fleet costs and carries.

    Args:
        version: of this form.
        statement: the budget and its alternatives.
        mails: what a mail costs; None if a price is unknown.
        scaling: the fleet at another size; None if a price is unknown.
        capacity: what it carries.
        optimum: the cheapest fleet of that other size; None if a price is unknown.
        audit: the contradictions of the seed document.
        unavailable: why a part is missing, by its name.
        limit: the most the fleet may cost a month; None if no limit was given.
        over_limit: whether it costs more; None if that is not known, or no limit was given.
        comparison: what changed since a baseline; None without one.
    """

    version: Literal[1] = 1
    statement: Statement
    mails: MailCosts | None
    scaling: Scaling | None
    capacity: Capacity
    optimum: Optimum | None
    audit: tuple[Finding, ...]
    unavailable: dict[str, str]
    limit: MonthlyCents | None
    over_limit: bool | None
    comparison: Comparison | None

    def compared(self, baseline: Mapping[str, Any]) -> Self:
        """The same report with what changed since an earlier one.

        Raises:
            BaselineError: the earlier one is in another currency.
        """
        return self.model_copy(update={"comparison": compare(self.statement, baseline)})


def report(
    holdings: Holdings,
    book: PriceBook,
    scope: Scope = BY_DEFAULT,
    *,
    accounts: int | None = None,
    bounds: Limits | None = None,
    limit: Decimal | None = None,
) -> Report:
    """Compute every part of the report; parts whose prices are unknown are left out, with the reason.

    Args:
        holdings: the fleet, with at least 1 account.
        book: the prices.
        scope: which components are covered.
        accounts: the other size to compute; without it, the one the seed scales to.
        bounds: the limits; as shipped, if None.
        limit: the most the fleet may cost a month, in the book's currency.
    """
    size = accounts or claims().count("scaled-accounts")
    missing: dict[str, str] = {}
    mails, scaled, optimum = None, None, None
    try:
        mails, scaled = mail_costs(holdings, book, scope), scaling(holdings, book, size, scope)
    except (UnknownPriceError, NothingToPayError) as error:
        missing |= {"mails": str(error), "scaling": str(error)}
    try:
        optimum = optimise(holdings, book, size, bounds)
    except NoChoiceError as error:
        missing["optimum"] = str(error)
    own = statement(holdings, book, scope)
    most = None if limit is None else Monthly(limit, book.currency)
    return Report(
        statement=own,
        mails=mails,
        scaling=scaled,
        capacity=capacity(holdings, bounds),
        optimum=optimum,
        audit=audit(),
        unavailable=missing,
        limit=most,
        over_limit=_over(own, most),
        comparison=None,
    )


def verdict(report: Report) -> str:
    """Whether the fleet keeps to its limit, in one sentence; empty without a limit."""
    if report.limit is None:
        return ""
    if report.over_limit is None:
        nameless = ", ".join(report.statement.unknown)
        return f"Whether it stays under {report.limit} is unknown: no price is known for {nameless}."
    total, limit = report.statement.known_monthly, report.limit
    if report.over_limit:
        return f"Over the limit of {limit} by {(total - limit).text()}."
    return f"Under the limit of {limit} by {(limit - total).text()}."


def _over(own: Statement, most: Monthly | None) -> bool | None:
    """Whether a budget is over a limit: for certain already when its known part is."""
    if most is None:
        return None
    if own.known_monthly > most:
        return True
    return None if own.total_monthly is None else False
