"""The budget as an owner reads it: beside the sum the seed quotes, and what the alternatives cost."""

from __future__ import annotations

from costs.alternatives import Premium, Saas, premium, saas
from costs.audit import Finding, audit
from costs.budget import Budget, budget
from costs.charges import BY_DEFAULT, Scope
from costs.claims import claims
from costs.holdings import Holdings
from costs.money import Monthly
from costs.pricebook import PriceBook
from costs.shapes import MonthlyCents


class Statement(Budget):
    """A budget with what it is compared with.

    Args:
        quoted_total: the sum the seed quotes for this fleet at its prices; None for any other.
        quoted_upper: the upper end of the range the seed quotes.
        findings: what the audit says about that sum.
        premium: the same mailboxes, two thirds of them as rented seats; None where a price is unknown.
        saas: orchestration as a service.
    """

    quoted_total: MonthlyCents | None
    quoted_upper: MonthlyCents | None
    findings: tuple[Finding, ...]
    premium: Premium | None
    saas: tuple[Saas, ...]


def statement(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Statement:
    """Make a fleet's budget with what it is compared with.

    Args:
        holdings: what the fleet holds.
        book: the prices.
        scope: which components are covered.
    """
    own = budget(holdings, book, scope)
    said = claims()
    comparable = book.name == "seed" and said.describes(holdings)
    return Statement(
        **{name: getattr(own, name) for name in Budget.model_fields},
        quoted_total=Monthly(said["total"], book.currency) if comparable else None,
        quoted_upper=Monthly(said["total-upper"], book.currency) if comparable else None,
        findings=tuple(found for found in audit() if found.id.startswith("01-")) if comparable else (),
        premium=premium(holdings, book, own),
        saas=saas(book, own),
    )
