"""A year of the budget as FOCUS 1.2 rows, the FinOps Foundation's common form of bills.

What is billed yearly is one purchase in the first month, billed whole and effective nowhere, and a row a
month that is billed nothing and effective by its twelfth; so a year's billed and effective costs are equal.
Source: FOCUS 1.2, section 2 (columns) and appendix on commitments.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from costs.budget import Budget, BudgetLine
from costs.charges import Component
from costs.money import Money, Monthly, Yearly
from costs.pricebook import PERIODS

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "x_Component",
)
"""The mandatory columns, how often a charge recurs, and one of our own."""

CATEGORIES = {
    Component.ORCHESTRATOR: "Compute",
    Component.NODES: "Compute",
    Component.PROXIES: "Networking",
    Component.MONITORING: "Management and Governance",
    Component.DOMAINS: "Web",
    Component.SMTP_HOSTING: "Business Applications",
}

UNITS = {
    Component.ORCHESTRATOR: "Server",
    Component.NODES: "Server",
    Component.PROXIES: "Proxy",
    Component.MONITORING: "Subscription",
    Component.DOMAINS: "Domain",
    Component.SMTP_HOSTING: "Subscription",
}

MONTHS = 12


def focus_csv(budget: Budget, start: date) -> str:
    """The budget's year as FOCUS 1.2 in CSV.

    Lines whose price is unknown, and mailboxes, which nobody bills, have no rows.

    Args:
        budget: what is billed.
        start: any day of the first month.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    first = start.replace(day=1)
    for line in budget.lines:
        if line.monthly is not None and line.component in CATEGORIES:
            writer.writerows(_rows(budget, line, first))
    return out.getvalue()


def _rows(budget: Budget, line: BudgetLine, first: date) -> Iterator[dict[str, str]]:
    price = PERIODS[str(line.price_period)](Decimal(str(line.price)), budget.currency)
    nothing = Monthly.zero(budget.currency)
    described = _described(budget, line)
    if isinstance(price, Yearly):
        year = (price * line.quantity).rounded()
        yield described | _charge("Purchase", line, first, MONTHS, billed=year, effective=nothing)
        billed, effective = (nothing,) * MONTHS, year.instalments()
    else:
        billed = effective = (line.monthly or nothing,) * MONTHS
    for month in range(MONTHS):
        start = _later(first, month)
        yield described | _charge("Usage", line, start, 1, billed=billed[month], effective=effective[month])


def _described(budget: Budget, line: BudgetLine) -> dict[str, str]:
    return {
        "BillingAccountId": budget.fleet,
        "BillingAccountName": budget.fleet,
        "BillingCurrency": budget.currency,
        "ChargeClass": "",
        "ChargeDescription": f"{line.quantity} x {line.product}, {line.provider}",
        "InvoiceIssuerName": line.provider,
        "PricingQuantity": str(line.quantity),
        "ProviderName": line.provider,
        "PublisherName": line.provider,
        "ServiceCategory": CATEGORIES[line.component],
        "ServiceName": line.product,
        "x_Component": line.component,
    }


def _charge(
    category: str, line: BudgetLine, start: date, months: int, *, billed: Money, effective: Money
) -> dict[str, str]:
    return {
        "BilledCost": billed.fixed(),
        "BillingPeriodEnd": _instant(_later(start, 1)),
        "BillingPeriodStart": _instant(start),
        "ChargeCategory": category,
        "ChargeFrequency": "One-Time" if category == "Purchase" else "Recurring",
        "ChargePeriodEnd": _instant(_later(start, months)),
        "ChargePeriodStart": _instant(start),
        "ContractedCost": billed.fixed(),
        "EffectiveCost": effective.fixed(),
        "ListCost": billed.fixed(),
        "PricingUnit": f"{UNITS[line.component]}-{'Years' if months == MONTHS else 'Months'}",
    }


def _later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, MONTHS)
    return first.replace(year=first.year + years, month=month + 1)


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
