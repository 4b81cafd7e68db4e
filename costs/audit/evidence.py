"""What the findings are made from: the seed's claims, two price books, and sums that several share."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from costs.budget import Budget, budget
from costs.charges import Component
from costs.claims import Claims
from costs.holdings import Holdings
from costs.money import Money, Monthly, round_half_up
from costs.pricebook import Kind, Line, PriceBook
from costs.scaling import Quoted, Size, quoted, size
from costs.shapes import Result


class Finding(Result):
    """One contradiction.

    Args:
        id: its number among the findings and what it is about; one number may have several figures.
        quoted: what the seed says, digits alone; None where it says nothing and should.
        computed: what its own figures, or prices found since, give; digits alone.
        why: how the two differ, in words, with units.
    """

    id: str
    quoted: str | None
    computed: str
    why: str


Value = Money | Decimal | int | str


def finding(name: str, said: Value | None, computed: Value, why: str, places: int = 2) -> Finding:
    """One finding.

    Args:
        name: its id.
        said: what the seed says.
        computed: what is right.
        why: the reason.
        places: decimals of the computed figure; whole numbers have none.
    """
    return Finding(
        id=name,
        quoted=None if said is None else _digits(said, None),
        computed=_digits(computed, places),
        why=why,
    )


def _digits(value: Value, places: int | None) -> str:
    if isinstance(value, Money):
        return value.fixed(2 if places is None else places)
    if isinstance(value, Decimal):
        return f"{value if places is None else round_half_up(value, places):f}"
    return str(value)


@dataclass(frozen=True)
class Evidence:
    """The seed's claims and the books, with what is computed from them once.

    Args:
        said: what the seed claims.
        seed: its prices.
        current: prices found since.
    """

    said: Claims
    seed: PriceBook
    current: PriceBook

    @cached_property
    def fleet(self) -> Holdings:
        """The fleet the seed budgets."""
        return self.said.holdings

    @cached_property
    def own(self) -> Budget:
        """Its budget at the seed's prices."""
        return budget(self.fleet, self.seed)

    @cached_property
    def total(self) -> Monthly:
        """What it costs."""
        return self.own.total

    @cached_property
    def base(self) -> Size:
        """It as one point of the curve."""
        return size(self.fleet, self.seed)

    @cached_property
    def grown(self) -> Size:
        """It at the seed's larger size, in today's ratios."""
        return size(self.fleet.grown(self.accounts), self.seed)

    @property
    def accounts(self) -> int:
        """The seed's larger size."""
        return self.said.count("scaled-accounts")

    @cached_property
    def table(self) -> Quoted:
        """The seed's scaling table, from its quantities and prices."""
        found = quoted(self.fleet, self.seed, self.accounts)
        if found is None:
            raise LookupError("the seed's book does not price the seed's fleet")
        return found

    @cached_property
    def rebased(self) -> Monthly:
        """The seed's scaled total on the right base."""
        return self.total + self.table.added.total

    def line(self, kind: Kind, name: str) -> Line:
        """A line of the seed's book."""
        found = self.seed.find(kind, name)
        if found is None:
            raise LookupError(f"the seed's book has no {kind} {name!r}")
        return found

    def cost(self, component: Component) -> Monthly:
        """What a component costs in the seed's budget."""
        return self.own.component(component)

    def claimed(self, name: str) -> Monthly:
        """A sum the seed claims."""
        return Monthly(self.said[name], self.seed.currency)
