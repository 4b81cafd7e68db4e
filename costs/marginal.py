"""What growth costs at the margin: the pieces it is bought in, the next account, and where saving begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from costs.budget import BudgetLine, budget
from costs.charges import BY_DEFAULT, Component, Scope, total_amount
from costs.claims import claims
from costs.hardware import decimal
from costs.holdings import Holdings
from costs.money import Monthly
from costs.pricebook import PriceBook
from costs.shapes import MonthlyCents, PerUnit, Result, Tenths

FAR = 1000
"""A fleet this many times as large shows which lines grow, and how often, without a remainder."""


class Step(Result):
    """What is bought in whole pieces as accounts grow.

    Args:
        line: the budget line that steps.
        component: its component.
        every_accounts: one more piece after so many accounts, on average.
        adds: what the piece costs.
    """

    line: str
    component: Component
    every_accounts: Tenths
    adds: MonthlyCents


class Marginal(Result):
    """What the next account costs.

    Args:
        steps: the lines that grow by a piece with it; empty if there is room for it.
        monthly: what they cost.
        on_average: of one account over many: the sum of every step's price over its accounts.
    """

    steps: tuple[str, ...]
    monthly: MonthlyCents
    on_average: PerUnit


class Saving(Result):
    """From which size on an account is cheaper than today.

    Args:
        today: accounts of the fleet as it is.
        per_account_today: what one costs.
        first_at: the first larger size at which one costs less; None if there is none.
        always_from: from here on every size has cheaper accounts; None if there is no such size.
        at_most_percent: the limit of the saving, when the flat part is spread over ever more accounts.
        quoted_from: where the seed says saving begins.
        percent_at_quoted: what is saved an account by then.
    """

    today: int
    per_account_today: PerUnit
    first_at: int | None
    always_from: int | None
    at_most_percent: Tenths
    quoted_from: int
    percent_at_quoted: Tenths


def steps(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> tuple[Step, ...]:
    """Every line that grows with the accounts: how often, and by how much."""
    return tuple(
        Step(
            line=piece.line.id,
            component=piece.line.component,
            every_accounts=decimal(piece.every),
            adds=piece.adds,
        )
        for piece in _pieces(holdings, book, scope)
    )


def marginal(holdings: Holdings, book: PriceBook, accounts: int, scope: Scope = BY_DEFAULT) -> Marginal:
    """What account number `accounts + 1` costs."""
    here = budget(holdings.grown(accounts), book, scope)
    there = budget(holdings.grown(accounts + 1), book, scope)
    had = {line.id: line.quantity for line in here.lines}
    return Marginal(
        steps=tuple(
            line.id
            for line in there.lines
            if line.component is not Component.MAILBOXES and line.quantity > had.get(line.id, 0)
        ),
        monthly=there.total - here.total,
        on_average=Monthly(
            decimal(sum((piece.average for piece in _pieces(holdings, book, scope)), Fraction(0))),
            book.currency,
        ),
    )


def saving(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Saving:
    """From which size on an account costs less than today, proved for every larger size.

    At n accounts the fleet costs at most `flat + n * average + spare`: each kind is rounded up by less than
    one piece. Where that falls below today's cost of n accounts, saving is certain at every larger size; up
    to there each size with a purchase is looked at: between purchases an account's cost only falls.
    """
    costs = budget(holdings, book, scope)
    pieces = _pieces(holdings, book, scope)
    average = sum((piece.average for piece in pieces), Fraction(0))
    each = Fraction(costs.divisible.amount) / holdings.accounts
    flat = Fraction(costs.total.amount) - average * holdings.accounts
    first, always = None, None
    if flat > 0:
        certain = int((flat + _spare(holdings, pieces)) / (each - average)) + 1
        first, always = _cheaper(holdings, book, scope, each, certain)
    said = claims().count("saving-from")
    there = budget(holdings.grown(said), book, scope).total
    return Saving(
        today=holdings.accounts,
        per_account_today=costs.total / holdings.accounts,
        first_at=first,
        always_from=always,
        at_most_percent=_percent(1 - average / each),
        quoted_from=said,
        percent_at_quoted=_percent(1 - Fraction(there.amount) / said / each),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line that grows: one more for every so many accounts."""

    line: BudgetLine
    adds: Monthly
    every: Fraction

    @property
    def average(self) -> Fraction:
        return Fraction(self.adds.amount) / self.every


def _pieces(holdings: Holdings, book: PriceBook, scope: Scope) -> list[_Piece]:
    today = {line.id: line.quantity for line in budget(holdings, book, scope).lines}
    far = budget(holdings.grown(holdings.accounts * FAR), book, scope)
    return [
        _Piece(line, line.monthly / line.quantity, Fraction(far.accounts, line.quantity))
        for line in far.lines
        if line.monthly and line.component is not Component.MAILBOXES and line.quantity > today[line.id]
    ]


def _spare(holdings: Holdings, pieces: list[_Piece]) -> Fraction:
    """At most so much is paid for what is not yet used; in a fleet of several sizes, one lap of nodes."""
    several = len(holdings.nodes) > 1
    cent = Fraction(1, 100)  # each line is rounded to one
    return sum(
        (
            Fraction(piece.adds.amount)
            * (holdings.node_count if several and piece.line.component is Component.NODES else 1)
            + cent
            for piece in pieces
        ),
        Fraction(0),
    )


def _cheaper(
    holdings: Holdings, book: PriceBook, scope: Scope, each: Fraction, certain: int
) -> tuple[int | None, int]:
    """The first size whose accounts cost less than `each`, and the size from which on all do.

    Looked for from below and from above: the sizes between need no look.
    """
    bought = list(pairwise([*_purchases(holdings, certain), certain + 1]))

    def enough(start: int) -> int:
        """How many accounts it takes, at the cost of `start` of them, to pay less than `each` for one."""
        return int(Fraction(total_amount(holdings.grown(start), book, scope)) / each) + 1

    first = (max(start, least) for start, end in bought if (least := enough(start)) < end)
    last = (min(least, end) for start, end in reversed(bought) if (least := enough(start)) > start)
    return next(first, None), next(last, holdings.accounts + 1)


def _purchases(holdings: Holdings, certain: int) -> Iterator[int]:
    """The sizes after today's, up to `certain`, at which a node, a proxy or a domain is bought."""
    today = holdings.accounts
    parts = {part for part in (holdings.node_count, holdings.proxy_count, holdings.domains) if part}
    sizes = {
        piece * today // part + 1 for part in parts for piece in range(part, part * certain // today + 1)
    }
    return iter(sorted(number for number in sizes if today < number <= certain))


def _percent(share: Fraction) -> Decimal:
    return decimal(share * 100)
