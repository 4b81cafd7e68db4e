"""The cheapest fleet is the cheapest of all, and it can be built."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costs.holdings import Holdings
from costs.limits import limits
from costs.money import Monthly
from costs.optimise import Candidate, Caps, NoChoiceError, carried, cheapest, optimise
from costs.pricebook import PriceBook
from inventory import Fleet, allocate, load_fleet
from tests.costs.conftest import FLEET

cents = st.integers(1, 2000).map(lambda number: Monthly(Decimal(number) / 100, "USD"))


def most_carried(nodes: int, domains: int, node: int, each: int, most: int) -> int:
    """The most accounts by every way to spread the domains over the nodes."""
    ways = (spread for spread in product(range(most + 1), repeat=nodes) if sum(spread) == domains)
    return max((sum(min(node, held * each) for held in spread) for spread in ways), default=-1)


@given(st.integers(1, 4), st.integers(0, 12), st.integers(1, 20), st.integers(1, 12))
def test_domains_spread_evenly_carry_most(nodes: int, domains: int, node: int, each: int) -> None:
    most = -(-domains // nodes) + 1
    assert carried(nodes, domains, node, each) == most_carried(nodes, domains, node, each, most)


@settings(max_examples=200)
@given(
    accounts=st.integers(1, 40),
    node=st.integers(1, 15),
    each=st.integers(1, 15),
    most=st.integers(1, 6),
    rent=cents,
    domain=cents,
)
def test_no_node_and_domain_count_is_cheaper(
    accounts: int, node: int, each: int, most: int, *, rent: Monthly, domain: Monthly
) -> None:
    found = cheapest(Candidate("hetzner", "x", rent, {}), domain, accounts, Caps(node, most, each))
    assert found is not None
    tried = [
        rent * nodes + domain * domains
        for nodes in range(1, accounts + 1)
        for domains in range(1, min(accounts, nodes * most) + 1)
        if carried(nodes, domains, min(node, accounts), min(each, node)) >= accounts
    ]
    assert found.total == min(tried)
    assert found.total == found.nodes_monthly + found.domains_monthly
    assert found.domains <= found.nodes * most
    assert sum(share.nodes for share in found.shares) == found.nodes
    assert sum(share.nodes * share.domains for share in found.shares) == found.domains
    assert sum(share.accounts for share in found.shares) == accounts
    assert found.accounts_per_node <= node
    assert found.accounts_per_domain <= each


@pytest.mark.parametrize("accounts", [1, 30, 150, 151, 1200, 5000, 100_000])
def test_the_choice_is_the_cheapest_of_every_type(accounts: int, fleet: Holdings, current: PriceBook) -> None:
    found = optimise(fleet, current, accounts)
    rivals = [choice.total for choice in (found.runner_up, *found.others) if choice]
    assert all(found.best.total <= rival for rival in rivals)
    assert rivals == sorted(rivals)
    assert found.best.nodes * fleet.caps.accounts_per_node >= accounts
    assert found.best.nodes * fleet.caps.domains_per_node >= found.best.domains
    assert found.best.accounts_per_domain <= 40


def test_today_contabos_smallest_is_cheapest_and_hetzners_is_the_runner_up(
    fleet: Holdings, current: PriceBook
) -> None:
    found = optimise(fleet, current, 5000)
    assert (found.best.type, found.best.nodes, found.best.domains) == ("V153", 34, 133)
    assert found.best.total.fixed() == "340.11"
    assert found.runner_up is not None
    assert (found.runner_up.type, found.runner_up.total.fixed()) == ("cx23", "356.77")


def test_a_limit_costs_what_its_absence_saves(fleet: Holdings, current: PriceBook) -> None:
    found = optimise(fleet, current, 5000)
    costs = {limit.limit: limit for limit in found.limits}
    free = optimise(replace(fleet, caps=replace(fleet.caps, accounts_per_node=10**9)), current, 5000)
    assert costs["accounts per node"].without_saves == found.best.total - free.best.total
    more = optimise(replace(fleet, caps=replace(fleet.caps, accounts_per_node=151)), current, 5000)
    assert costs["accounts per node"].one_more_saves == found.best.total - more.best.total
    assert all(limit.without_saves >= Monthly.zero("USD") for limit in found.limits)


def test_a_type_with_too_little_disk_needs_more_nodes(fleet: Holdings, current: PriceBook) -> None:
    heavy = limits().assuming({"mailbox_mb": "2000"})
    found = optimise(fleet, current, 1200, heavy)
    rivals = {choice.type: choice for choice in (found.best, found.runner_up, *found.others) if choice}
    assert rivals["V153"].nodes == -(-1200 // 45)
    assert rivals["cx23"].nodes == 1200 // 15
    disk = next(limit for limit in found.limits if limit.limit == "disk for mailboxes")
    assert disk.without_saves > Monthly.zero("USD")


def test_without_any_price_there_is_no_choice(fleet: Holdings) -> None:
    with pytest.raises(NoChoiceError, match="no EUR price for any domain"):
        optimise(fleet, PriceBook.load("current", "EUR"), 1200)


@pytest.mark.parametrize("accounts", [1, 41, 1200, 1290, 1470])
def test_the_chosen_fleet_can_be_written_down_and_allocated(
    accounts: int, fleet: Holdings, current: PriceBook
) -> None:
    best = optimise(fleet, current, accounts).best
    shipped = load_fleet(FLEET, {})
    names = [f"Person {chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(60)]
    domains: list[dict[str, Any]] = []
    nodes = [(share.domains, on) for share in best.shares for on in spread(share.accounts, share.nodes)]
    for node, (held, mailboxes) in enumerate(nodes, start=1):
        domains += [
            {"name": f"d{len(domains) + at}.example", "node": f"n{node}", "accounts_per_domain": size}
            for at, size in enumerate(spread(mailboxes, held))
        ]
    data = shipped.model_dump(mode="json") | {
        "nodes": [{"name": "n", "count": best.nodes, "provider": best.provider, "type": best.type}],
        "domains": domains,
        "accounts": {"per_domain": 0, "names": names},
    }
    allocation = allocate(Fleet.model_validate(data))
    assert allocation.account_count == accounts
    built = Holdings.of(allocation)
    assert (built.node_count, built.domains) == (best.nodes, best.domains)
    assert (built.fullest_node, built.fullest_domain) == (best.accounts_per_node, best.accounts_per_domain)
    assert (built.fullest_node <= 150, built.fullest_domain <= 40) == (True, True)


def spread(number: int, over: int) -> list[int]:
    """Whole shares as even as they can be."""
    return [number // over + (at < number % over) for at in range(over)]
