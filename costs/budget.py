"""What a fleet costs a month: one line a component, subtotals and a total that are sums of those lines.

Each line is rounded to the cent where it is made, as the lines of an invoice are; nothing is rounded after
that, so the lines add up to the totals in every format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import computed_field

from costs.holdings import Holdings, Rented
from costs.money import Money, Monthly, Yearly
from costs.pricebook import Kind, Line, PriceBook
from costs.shapes import MonthlyCents, Result


class Component(StrEnum):
    """What a fleet is made of, as the budget names it."""

    ORCHESTRATOR = "orchestrator"
    NODES = "nodes"
    PROXIES = "proxies"
    MONITORING = "monitoring"
    MAILBOXES = "mailboxes"
    DOMAINS = "domains"
    SMTP_HOSTING = "smtp-hosting"


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

SERVICES = (Component.MONITORING, Component.SMTP_HOSTING)
"""Components that are bought as a service: priced by the book alone, whatever the fleet file says."""


class UnknownPriceError(ValueError):
    """A total was asked for, but a price in it is unknown."""


class NothingToPayError(ValueError):
    """Shares of a total were asked for, but nothing in it costs anything."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which components a budget covers: all that the book has by default, fewer or more.

    Args:
        without: left out.
        also: services that the book leaves out by default.
    """

    without: frozenset[Component] = frozenset()
    also: frozenset[Component] = frozenset()

    def covers(self, component: Component, default: bool = True) -> bool:
        """Whether a line of `component` is in the budget."""
        return component not in self.without and (default or component in self.also)


BY_DEFAULT = Scope()
EVERYTHING = Scope(also=frozenset(SERVICES))


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
        lines=tuple(_lines(holdings, book, scope)),
    )


def _lines(holdings: Holdings, book: PriceBook, scope: Scope) -> Iterator[BudgetLine]:
    if scope.covers(Component.ORCHESTRATOR):
        yield from _server(Component.ORCHESTRATOR, holdings.orchestrator, book)
    if scope.covers(Component.NODES):
        for row in holdings.nodes:
            yield from _server(Component.NODES, row, book)
    if holdings.proxies and scope.covers(Component.PROXIES):
        bought = holdings.proxies
        line = book.find(Kind.PROXY, bought.kind, bought.provider)
        yield _priced(
            "proxies", Component.PROXIES, bought.provider, bought.kind, quantity=bought.count, line=line
        )
    yield from _service(Component.MONITORING, holdings, book, scope)
    if scope.covers(Component.MAILBOXES):
        yield _mailboxes(holdings, book)
    if scope.covers(Component.DOMAINS):
        line = book.find(Kind.DOMAIN, "*")
        provider = line.provider if line else "registrar"
        yield _priced("domains", Component.DOMAINS, provider, "domain", quantity=holdings.domains, line=line)
    yield from _service(Component.SMTP_HOSTING, holdings, book, scope)


def _server(component: Component, row: Rented, book: PriceBook) -> Iterator[BudgetLine]:
    name = component if component is Component.ORCHESTRATOR else f"{component}-{row.provider}-{row.type}"
    line = book.find(Kind.SERVER, row.type, row.provider, row.term_months)
    product = line.names[0] if line else row.type
    yield _priced(name, component, row.provider, product, quantity=row.count, line=line)
    address = book.find(Kind.IPV4, "primary", row.provider)
    if address is None or address.price:  # part of the plan otherwise
        yield _priced(
            f"{name}-ipv4", component, row.provider, "primary IPv4", quantity=row.count, line=address
        )


def _service(component: Component, holdings: Holdings, book: PriceBook, scope: Scope) -> Iterator[BudgetLine]:
    for line in book.priced(Kind.SERVICE):
        if component in line.names and scope.covers(component, line.default):
            units = -(-holdings.domains // line.domains_per_unit) if line.domains_per_unit else 1
            yield _priced(line.id, component, line.provider, component, quantity=units, line=line)


def _mailboxes(holdings: Holdings, book: PriceBook) -> BudgetLine:
    return BudgetLine(
        id="mailboxes",
        component=Component.MAILBOXES,
        provider="own domains",
        product="mailbox",
        quantity=holdings.accounts,
        price="0",
        price_period="month",
        monthly=Monthly.zero(book.currency),
        source="this fleet's own nodes",
        note="no price of their own: nodes and domains carry them",
    )


def _priced(
    name: str, component: Component, provider: str, product: str, *, quantity: int, line: Line | None
) -> BudgetLine:
    price: Money | None = line.money if line else None
    return BudgetLine(
        id=name,
        component=component,
        provider=line.provider if line else provider,
        product=product,
        quantity=quantity,
        price=f"{price.amount:f}" if price else None,
        price_period=price.period if price else None,
        monthly=(line.monthly * Decimal(quantity)).rounded() if line else None,
        source=line.source if line else "no price is known",
        note=line.note if line else "",
    )
