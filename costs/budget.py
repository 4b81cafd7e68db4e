"""What a fleet costs a month: one line a component, subtotals and a total that are sums of those lines.

Each line is rounded to the cent where it is made, as the lines of an invoice are; nothing is rounded after
that, so the lines add up to the totals in every format.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import computed_field

from costs.charges import BY_DEFAULT, Charge, Component, Scope, charges
from costs.holdings import Holdings
from costs.money import Money, Monthly, Yearly
from costs.pricebook import PriceBook
from costs.shapes import MonthlyCents, Result


class Group(StrEnum):
    """The two halves of the budget."""

    INFRASTRUCTURE = "infrastructure"
    ACCOUNTS = "accounts"


GROUPS = {
    Component.ORCHESTRATOR: Group.INFRASTRUCTURE,
    Component.NODES: Group.INFRASTRUCTURE,
    Component.PROXIES: Group.INFRASTRUCTURE,
    Component.MONITORING: Group.INFRASTRUCTURE,
    Component.MAILBOXES: Group.ACCOUNTS,
    Component.DOMAINS: Group.ACCOUNTS,
    Component.SMTP_HOSTING: Group.ACCOUNTS,
}


class UnknownPriceError(ValueError):
    """A total was asked for, but a price in it is unknown."""


class NothingToPayError(ValueError):
    """Shares of a total were asked for, but nothing in it costs anything."""


class BudgetLine(Result):
    """One line of a budget.

    Args:
        id: stable name of the line.
        component: what it pays for.
        provider: who is paid.
        product: the provider's own name of what is bought.
        quantity: how many.
        price: of one, as the source states it; None if unknown.
        price_period: the period the source states it for.
        monthly: quantity times price for one month, to the cent; None if unknown.
        source: where the price stands.
        note: what else must be known about it.
    """

    id: str
    component: Component
    provider: str
    product: str
    quantity: int
    price: str | None
    price_period: str | None
    monthly: MonthlyCents | None
    source: str
    note: str

    @property
    def group(self) -> Group:
        """The half of the budget it stands in."""
        return GROUPS[self.component]


class Budget(Result):
    """What a fleet costs a month by one price book.

    Args:
        fleet: the fleet's name.
        accounts: its mailboxes.
        book: the price book's name.
        dated: the day of the book.
        currency: ISO 4217 code of every amount.
        tax: what the book says about tax.
        lines: one a component, servers' addresses on lines of their own.
    """

    fleet: str
    accounts: int
    book: str
    dated: str
    currency: str
    tax: str
    lines: tuple[BudgetLine, ...]

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def subtotals(self) -> dict[Group, MonthlyCents | None]:
        """Each half's sum; None if a price in it is unknown."""
        return {group: self._sum([line for line in self.lines if line.group is group]) for group in Group}

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def total_monthly(self) -> MonthlyCents | None:
        """The sum of all lines; None if a price in it is unknown."""
        return self._sum(self.lines)

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def known_monthly(self) -> MonthlyCents:
        """The sum of the lines whose price is known: what it costs at the least."""
        known = (line.monthly for line in self.lines if line.monthly is not None)
        return sum(known, Monthly.zero(self.currency))

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def unknown(self) -> tuple[str, ...]:
        """The lines whose price is unknown."""
        return tuple(line.id for line in self.lines if line.monthly is None)

    @property
    def total_yearly(self) -> Yearly:
        """Twelve months of the total."""
        return self.total.yearly()

    @property
    def total(self) -> Monthly:
        """The sum of all lines.

        Raises:
            UnknownPriceError: a price in it is unknown.
        """
        if self.total_monthly is None:
            what = ", ".join(f"{line.provider} {line.product}" for line in self.lines if line.monthly is None)
            raise UnknownPriceError(
                f"price book {self.book!r} has no {self.currency} price for {what}: "
                "add it to a book of your own, or leave it out with --without"
            )
        return self.total_monthly

    @property
    def divisible(self) -> Monthly:
        """The total, where shares of it are wanted.

        Raises:
            UnknownPriceError: a price in it is unknown.
            NothingToPayError: it is nothing.
        """
        if not self.total.amount:
            raise NothingToPayError("nothing in the budget costs anything: leave fewer components out")
        return self.total

    def component(self, component: Component) -> Monthly:
        """What one component costs; nothing if the budget does not cover it."""
        lines = [line for line in self.lines if line.component is component]
        return self._sum(lines) or Monthly.zero(self.currency)

    def _sum(self, lines: tuple[BudgetLine, ...] | list[BudgetLine]) -> Monthly | None:
        total = Monthly.zero(self.currency)
        for line in lines:
            if line.monthly is None:
                return None
            total += line.monthly
        return total


def budget(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Budget:
    """What a fleet costs a month, line by line.

    Args:
        holdings: what the fleet holds.
        book: the prices.
        scope: which components are covered.
    """
    return Budget(
        fleet=holdings.name,
        accounts=holdings.accounts,
        book=book.name,
        dated=book.dated.isoformat(),
        currency=book.currency,
        tax=book.tax,
        lines=tuple(_line(charge) for charge in charges(holdings, book, scope)),
    )


def _line(charge: Charge) -> BudgetLine:
    price: Money | None = charge.line.money if charge.line else None
    return BudgetLine(
        id=charge.id,
        component=charge.component,
        provider=charge.provider,
        product=charge.product,
        quantity=charge.quantity,
        price=f"{price.amount:f}" if price else None,
        price_period=price.period if price else None,
        monthly=charge.monthly,
        source=charge.line.source if charge.line else "no price is known",
        note=charge.line.note if charge.line else "",
    )
