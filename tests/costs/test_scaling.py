"""Growth costs what is bought for it, at every size, and saves from where the computation says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costs.budget import BudgetLine, UnknownPriceError, budget
from costs.charges import BY_DEFAULT, EVERYTHING, Component, Scope
from costs.claims import claims
from costs.holdings import Caps, Holdings, Proxied, Rented
from costs.marginal import marginal, saving, steps
from costs.money import Monthly
from costs.pricebook import PriceBook
from costs.scaling import CURVE, quoted, scaling, size, staircase

SEED, CURRENT = PriceBook.load("seed"), PriceBook.load("current")
BOOKS = {"seed": SEED, "current": CURRENT}

books = st.sampled_from(["seed", "current"])


@st.composite
def fleets(draw: st.DrawFn) -> Holdings:
    """A fleet of one to three rows of nodes, some with proxies; its accounts fill it more or less."""
    types = draw(st.lists(st.sampled_from(["V153", "cx33"]), min_size=1, max_size=2, unique=True))
    rows = tuple(
        Rented("contabo" if name == "V153" else "hetzner", name, 1, draw(st.integers(1, 9))) for name in types
    )
    nodes = sum(row.count for row in rows)
    domains = draw(st.integers(1, 5 * nodes))
    accounts = draw(st.integers(domains, 30 * domains))
    proxies = draw(st.none() | st.integers(1, 200).map(lambda number: Proxied("iproyal", "4g", number)))
    return Holdings(
        name="drawn",
        orchestrator=Rented("hetzner", "cx33", 1, 1),
        nodes=rows,
        domains=domains,
        accounts=accounts,
        fullest_node=-(-accounts // nodes),
        fullest_domain=-(-accounts // domains),
        most_domains=-(-domains // nodes),
        proxies=proxies,
        caps=Caps(50, 150, 5, 150 * nodes, 5 * nodes),
        warmup=(),
    )


@settings(max_examples=150)
@given(
    fleets(),
    st.integers(1, 10**6),
    st.integers(0, 10**5),
    books,
    st.booleans(),
)
def test_cost_never_falls_when_accounts_grow(
    fleet: Holdings, accounts: int, more: int, book: str, every: bool
) -> None:
    scope = EVERYTHING if every else BY_DEFAULT
    smaller = budget(fleet.grown(accounts), BOOKS[book], scope).total
    larger = budget(fleet.grown(accounts + more), BOOKS[book], scope).total
    assert smaller <= larger


@settings(max_examples=150)
@given(fleets(), st.integers(1, 10**6), books)
def test_the_next_account_costs_nothing_or_the_steps_that_are_named(
    fleet: Holdings, accounts: int, book: str
) -> None:
    found = marginal(fleet, BOOKS[book], accounts)
    assert bool(found.steps) == bool(found.monthly.amount)
    before = {line.id: line for line in budget(fleet.grown(accounts), BOOKS[book]).lines}
    after = {line.id: line for line in budget(fleet.grown(accounts + 1), BOOKS[book]).lines}
    nothing = Monthly.zero("USD")
    named = sum(
        (_cost(after, name) - _cost(before, name) for name in found.steps),
        nothing,
    )
    assert found.monthly == named


def _cost(lines: dict[str, BudgetLine], name: str) -> Monthly:
    cost = lines[name].monthly if name in lines else None
    return cost or Monthly.zero("USD")


@given(fleets())
def test_a_fleet_grown_to_its_own_size_costs_the_same(fleet: Holdings) -> None:
    assert budget(fleet.grown(fleet.accounts), SEED).total == budget(fleet, SEED).total


@settings(max_examples=40)
@given(fleets())
def test_saving_begins_where_trying_every_size_says(fleet: Holdings) -> None:
    found = saving(fleet, SEED)
    today = budget(fleet, SEED).total.amount
    tried = range(fleet.accounts + 1, fleet.accounts + 800)
    cheaper = [n for n in tried if budget(fleet.grown(n), SEED).total.amount * fleet.accounts < today * n]
    dearer = [n for n in tried if n not in set(cheaper)]
    if found.first_at is not None and found.first_at in tried:
        assert cheaper[0] == found.first_at
    if found.always_from is not None and found.always_from in tried:
        assert all(n < found.always_from for n in dearer)
        assert found.always_from == max(dearer, default=fleet.accounts) + 1


def test_the_seed_fleets_accounts_are_always_cheaper_from_1354_not_3000(
    fleet: Holdings, seed: PriceBook
) -> None:
    found = saving(fleet, seed)
    assert (found.first_at, found.always_from, found.quoted_from) == (1277, 1354, 3000)
    today = budget(fleet, seed).total.amount
    dearer = [n for n in range(1201, 3001) if budget(fleet.grown(n), seed).total.amount * 1200 >= today * n]
    assert max(dearer) == 1353


def test_growth_is_bought_in_nodes_proxies_and_domains(fleet: Holdings, seed: PriceBook) -> None:
    found = {step.component: (step.every_accounts, step.adds.fixed()) for step in steps(fleet, seed)}
    assert found == {
        Component.NODES: (Decimal(150), "6.00"),
        Component.PROXIES: (Decimal(8), "1.30"),
        Component.DOMAINS: (Decimal(30), "1.00"),
    }


def test_a_service_priced_by_domains_is_a_step_too(fleet: Holdings, current: PriceBook) -> None:
    found = {step.line: step.every_accounts for step in steps(fleet, current, EVERYTHING)}
    assert found["monitoring-mxtoolbox"] == 150


def test_the_curve_runs_from_100_to_a_million_and_its_components_sum(
    fleet: Holdings, seed: PriceBook
) -> None:
    found = scaling(fleet, seed, 5000)
    assert (found.curve[0].accounts, found.curve[-1].accounts) == (100, 1_000_000) == (CURVE[0], CURVE[-1])
    for point in found.curve:
        assert sum(point.components.values(), Monthly.zero("USD")) == point.total


def test_the_staircase_shows_the_steps_of_nodes_and_domains(fleet: Holdings, seed: PriceBook) -> None:
    found = dict(staircase(fleet, seed))
    assert found[1200] < found[1201]
    assert found[1350] < found[1351]
    assert {CURVE[0], CURVE[-1]} <= set(found)


def test_only_the_seeds_own_fleet_book_and_size_have_a_quoted_table(
    fleet: Holdings, seed: PriceBook, current: PriceBook
) -> None:
    assert quoted(fleet, seed, 5000) is not None
    assert quoted(fleet, seed, 4999) is None
    assert quoted(fleet, current, 5000) is None
    assert quoted(fleet.grown(1201), seed, 5000) is None


def test_the_seeds_own_holdings_are_the_shipped_fleets(fleet: Holdings) -> None:
    assert claims().describes(fleet)
    assert size(claims().holdings, SEED) == size(fleet, SEED)


def test_an_unknown_price_leaves_the_total_unknown_and_never_0(fleet: Holdings) -> None:
    found = budget(fleet, PriceBook.load("current", "EUR"))
    assert found.total_monthly is None
    assert found.unknown == ("proxies", "domains")
    assert found.known_monthly.fixed() == "52.99"
    with pytest.raises(UnknownPriceError, match="no EUR price for iproyal 4g"):
        _ = found.total


def test_a_component_that_is_left_out_costs_nothing(fleet: Holdings, current: PriceBook) -> None:
    lean = budget(fleet, current, Scope(without=frozenset({Component.PROXIES})))
    assert lean.total.fixed() == "98.19"
    assert lean.component(Component.PROXIES) == Monthly.zero("USD")
