"""What else would do the job: rented seats for most mailboxes, orchestration as a service."""

from __future__ import annotations

from decimal import Decimal

from costs.budget import Budget, Group
from costs.charges import Component
from costs.holdings import Holdings
from costs.money import Monthly, Yearly
from costs.pricebook import Kind, PriceBook
from costs.shapes import MonthlyCents, PerUnit, Result, Tenths, YearlyCents

SEATS = ("gmail", "outlook")


class Seats(Result):
    """Mailboxes rented by the seat.

    Args:
        product: who rents them out.
        seats: how many.
        price: of one seat a month.
        monthly: of all.
    """

    product: str
    seats: int
    price: MonthlyCents
    monthly: MonthlyCents


class Premium(Result):
    """A third of the mailboxes as Gmail seats, a third as Outlook seats, the rest on own domains.

    Args:
        seats: the rented mailboxes.
        custom_accounts: mailboxes left on own domains.
        custom_monthly: what those cost: the accounts half of the own budget, which does not shrink with them.
        without_infrastructure: seats and own domains alone, the sum the seed quotes.
        infrastructure: what the seed leaves out: the own servers go on running.
        total: all of it.
        per_account: of the total.
        times_own: how many times the own budget that is.
    """

    seats: tuple[Seats, ...]
    custom_accounts: int
    custom_monthly: MonthlyCents
    without_infrastructure: MonthlyCents
    infrastructure: MonthlyCents
    total: MonthlyCents
    per_account: PerUnit
    times_own: Tenths


class Saas(Result):
    """Orchestration bought as a service, beside n8n on a server of one's own.

    Args:
        name: `zapier`, `make` or `n8n`.
        provider: the plan that is priced.
        monthly: what it costs.
        yearly: twelve months of it.
        saving_apart: what n8n on a server of its own saves a year; None if that server's price is unknown.
        saving_shared: what n8n on the orchestrator saves a year, counting all of the orchestrator's price.
    """

    name: str
    provider: str
    monthly: MonthlyCents
    yearly: YearlyCents
    saving_apart: YearlyCents | None
    saving_shared: YearlyCents


def premium(holdings: Holdings, book: PriceBook, own: Budget) -> Premium | None:
    """The seed's alternative with rented seats; None where the price of a seat is unknown.

    Args:
        holdings: the fleet whose mailboxes are divided in three.
        book: the prices of seats.
        own: the fleet's own budget.
    """
    third = holdings.accounts // 3
    rented = []
    for name in SEATS:
        line = book.find(Kind.SEAT, name)
        if line is None:
            return None
        price = line.monthly
        rented.append(Seats(product=line.provider, seats=third, price=price, monthly=price * third))
    infrastructure, accounts = own.subtotals[Group.INFRASTRUCTURE], own.subtotals[Group.ACCOUNTS]
    if infrastructure is None or accounts is None:
        return None
    quoted = sum((seats.monthly for seats in rented), accounts)
    total = quoted + infrastructure
    return Premium(
        seats=tuple(rented),
        custom_accounts=holdings.accounts - third * len(SEATS),
        custom_monthly=accounts,
        without_infrastructure=quoted,
        infrastructure=infrastructure,
        total=total,
        per_account=total / holdings.accounts,
        times_own=total.ratio(own.total) if own.total.amount else Decimal(0),
    )


def saas(book: PriceBook, own: Budget) -> tuple[Saas, ...]:
    """Every orchestration service the book prices, with what self-hosting saves.

    Args:
        book: the prices.
        own: the fleet's own budget, whose orchestrator is compared with.
    """
    apart = book.find(Kind.SAAS, "n8n")
    shared = own.component(Component.ORCHESTRATOR).yearly()
    return tuple(
        Saas(
            name=line.names[0],
            provider=line.provider,
            monthly=line.monthly,
            yearly=_yearly(line.monthly, line.money),
            saving_apart=_yearly(line.monthly, line.money) - apart.monthly.yearly() if apart else None,
            saving_shared=_yearly(line.monthly, line.money) - shared,
        )
        for line in book.priced(Kind.SAAS)
    )


def _yearly(monthly: Monthly, stated: object) -> Yearly:
    """A price stated for a year is kept; any other is twelve months' worth."""
    return stated if isinstance(stated, Yearly) else monthly.yearly()
