"""What a fleet is charged for: every item of its bill with its quantity and price, before it is a budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from costs.holdings import Holdings, Rented
from costs.money import Monthly
from costs.pricebook import Kind, Line, PriceBook


class Component(StrEnum):
    """What a fleet is made of, as the budget names it."""

    ORCHESTRATOR = "orchestrator"
    NODES = "nodes"
    PROXIES = "proxies"
    MONITORING = "monitoring"
    MAILBOXES = "mailboxes"
    DOMAINS = "domains"
    SMTP_HOSTING = "smtp-hosting"


SERVICES = (Component.MONITORING, Component.SMTP_HOSTING)
"""Components that are bought as a service: priced by the book alone, whatever the fleet file says."""


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


@dataclass(frozen=True, slots=True)
class Charge:
    """One item of the bill.

    Args:
        id: stable name of it.
        component: what it pays for.
        provider: who is paid.
        product: the provider's own name of what is bought.
        quantity: how many.
        line: the price; None if unknown.
    """

    id: str
    component: Component
    provider: str
    product: str
    quantity: int
    line: Line | None

    @property
    def monthly(self) -> Monthly | None:
        """Quantity times price for one month, rounded to the cent; None if unknown."""
        return (self.line.monthly * self.quantity).rounded() if self.line else None


def charges(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Iterator[Charge]:
    """Every item of a fleet's bill, in the order of the budget.

    Args:
        holdings: what the fleet holds.
        book: the prices.
        scope: which components are covered.
    """
    if scope.covers(Component.ORCHESTRATOR):
        yield from _server(Component.ORCHESTRATOR, "orchestrator", holdings.orchestrator, book)
    if scope.covers(Component.NODES):
        for row in holdings.nodes:
            term = "" if row.term_months == 1 else f"-{row.term_months}-months"
            yield from _server(Component.NODES, f"nodes-{row.provider}-{row.type}{term}", row, book)
    if holdings.proxies and scope.covers(Component.PROXIES):
        bought = holdings.proxies
        line = book.find(Kind.PROXY, bought.kind, bought.provider)
        yield Charge("proxies", Component.PROXIES, bought.provider, bought.kind, bought.count, line)
    yield from _service(Component.MONITORING, holdings, book, scope)
    if scope.covers(Component.MAILBOXES):
        own = _own_mailbox(book.currency)
        yield Charge("mailboxes", Component.MAILBOXES, own.provider, own.names[0], holdings.accounts, own)
    if scope.covers(Component.DOMAINS):
        line = book.find(Kind.DOMAIN, "*")
        seller = line.provider if line else "registrar"
        yield Charge("domains", Component.DOMAINS, seller, "domain", holdings.domains, line)
    yield from _service(Component.SMTP_HOSTING, holdings, book, scope)


def total_amount(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Decimal:
    """The sum of a fleet's bill whose prices are all known: the budget's total, for searches over many sizes.

    Raises:
        ValueError: a price in it is unknown.
    """
    total = Decimal(0)
    for charge in charges(holdings, book, scope):
        if charge.monthly is None:
            raise ValueError(f"the price of {charge.id} is unknown")
        total += charge.monthly.amount
    return total


def _server(component: Component, name: str, row: Rented, book: PriceBook) -> Iterator[Charge]:
    line = book.find(Kind.SERVER, row.type, row.provider, row.term_months)
    yield Charge(name, component, row.provider, line.names[0] if line else row.type, row.count, line)
    address = book.find(Kind.IPV4, "primary", row.provider)
    if address is None or address.price:  # part of the plan otherwise
        yield Charge(f"{name}-ipv4", component, row.provider, "primary IPv4", row.count, address)


def _service(component: Component, holdings: Holdings, book: PriceBook, scope: Scope) -> Iterator[Charge]:
    for line in book.priced(Kind.SERVICE):
        if component in line.names and scope.covers(component, line.default):
            units = -(-holdings.domains // line.domains_per_unit) if line.domains_per_unit else 1
            yield Charge(line.id, component, line.provider, component, units, line)


@cache
def _own_mailbox(currency: str) -> Line:
    return Line(
        id="mailbox",
        kind=Kind.SEAT,
        provider="own domains",
        names=("mailbox",),
        price="0",
        currency=currency,
        period="month",
        tax="none",
        source="this fleet's own nodes",
        note="no price of their own: nodes and domains carry them",
    )
