"""Every domain has one home, the same for the same file, and what exists does not move."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inventory import Allocation, CapacityError, Fleet, allocate, evacuate

NAMES = ["Anna Berg", "Jörg Weiß", "Zoë O'Neill", "Łukasz Nowak"]


def fleet(nodes: list[dict[str, Any]], domains: list[dict[str, Any]], **limits: int) -> Fleet:
    return Fleet.model_validate(
        {
            "version": 1,
            "name": "small",
            "infra_domain": "infra.example",
            "sender": {"legal_name": "Small GmbH", "postal_address": "Musterweg 1, 10115 Berlin"},
            "operators": {"addresses": ["192.0.2.1"]},
            "nodes": nodes,
            "domains": domains,
            "accounts": {"per_domain": 2, "names": NAMES},
            "dns": {"account": "0" * 32},
            "limits": {"domains_per_node": 2, "accounts_per_node": 4} | limits,
        }
    )


def homes(allocation: Allocation) -> dict[str, str]:
    return {home.domain: home.node for home in allocation.homes}


def named(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"{name}.example"} | more for name in names]


def test_domains_fill_the_nodes_in_the_order_of_the_file() -> None:
    allocation = allocate(
        fleet(
            [{"name": "n", "count": 2}, {"name": "big", "max_domains": 3, "max_accounts": 9}],
            named("a", "b", "c", "d", "e", "f"),
        )
    )
    assert homes(allocation) == {
        "a.example": "n1",
        "b.example": "n1",
        "c.example": "n2",
        "d.example": "n2",
        "e.example": "big",
        "f.example": "big",
    }


def test_a_pin_is_honoured_before_any_other_domain_is_placed() -> None:
    allocation = allocate(fleet([{"name": "n", "count": 2}], [*named("a", "b", "c"), *named("d", node="n1")]))
    assert homes(allocation) == {"a.example": "n1", "b.example": "n2", "c.example": "n2", "d.example": "n1"}


def test_accounts_limit_a_node_as_domains_do() -> None:
    allocation = allocate(
        fleet(
            [{"name": "n", "count": 2}],
            [*named("a", accounts_per_domain=3), *named("b"), *named("c", accounts_per_domain=1)],
        )
    )
    assert homes(allocation) == {"a.example": "n1", "b.example": "n2", "c.example": "n1"}


def test_servers_carry_what_ordering_one_needs() -> None:
    allocation = allocate(
        fleet([{"name": "n", "count": 2, "term_months": 12}, {"name": "x", "ipv4": "192.0.2.9"}], named("a"))
    )
    assert [server.fqdn for server in allocation.servers] == [
        "hub.infra.example",
        "n1.infra.example",
        "n2.infra.example",
        "x.infra.example",
    ]
    assert [server.term_months for server in allocation.nodes] == [12, 12, 1]
    assert [str(server.ipv4) for server in allocation.nodes] == ["None", "None", "192.0.2.9"]
    assert allocation.orchestrator.role == "orchestrator"
    assert {server.role for server in allocation.nodes} == {"node"}


def test_accounts_come_from_names_or_from_the_domain() -> None:
    allocation = allocate(
        fleet(
            [{"name": "n"}],
            [{"name": "a.example", "accounts": {"sales": "Sales team"}}, *named("b", accounts_per_domain=4)],
            accounts_per_node=9,
        )
    )
    assert [(account.address, account.display_name) for account in allocation.accounts()] == [
        ("sales@a.example", "Sales team"),
        ("anna.berg@b.example", "Anna Berg"),
        ("joerg.weiss@b.example", "Jörg Weiß"),
        ("zoe.oneill@b.example", "Zoë O'Neill"),
        ("lukasz.nowak@b.example", "Łukasz Nowak"),
    ]
    assert {account.node for account in allocation.accounts()} == {"n"}
    assert allocation.account_count == 5


def test_a_fleet_built_without_room_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"no room for 1 of 3 domains: c\.example"):
        allocate(fleet([{"name": "n"}], named("a", "b", "c")))


def test_a_lost_node_s_domains_go_where_there_is_room_and_no_other_moves() -> None:
    allocation = allocate(fleet([{"name": "n", "count": 3}], named("a", "b", "c", "d", "e")))
    assert evacuate(allocation, "n1") == {"a.example": "n3", "b.example": None}
    assert evacuate(allocation, "n3") == {"e.example": None}
    with pytest.raises(KeyError):
        evacuate(allocation, "n4")


_sizes = st.integers(1, 4)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Fleets with nodes of several sizes, some domains pinned; a draw without room is thrown away."""
    limit = st.none() | st.integers(1, 12)
    nodes = [
        {"name": f"n{index}", "max_domains": draw(limit), "max_accounts": draw(limit)}
        for index in range(draw(st.integers(1, 6)))
    ]
    pins = st.none() | st.sampled_from([node["name"] for node in nodes])
    domains = [
        {"name": f"d{index}.example", "accounts_per_domain": draw(_sizes), "node": draw(pins)}
        for index in range(draw(st.integers(1, 12)))
    ]
    drawn = fleet(
        nodes, domains, domains_per_node=draw(st.integers(1, 4)), accounts_per_node=draw(st.integers(1, 12))
    )
    try:
        allocate(drawn)
    except CapacityError:
        assume(False)
    return drawn


def changed(before: Fleet, **update: Any) -> Fleet:
    return Fleet.model_validate(before.model_dump() | update)


@given(fleets())
def test_no_node_holds_more_than_it_takes(drawn: Fleet) -> None:
    allocation = allocate(drawn)
    for node in allocation.nodes:
        here = allocation.homes_on[node.name]
        assert len(here) <= node.max_domains
        assert sum(len(home.mailboxes) for home in here) <= node.max_accounts
    assert [home.domain for home in allocation.homes] == [domain.name for domain in drawn.domains]


@given(fleets())
def test_the_same_file_gives_the_same_homes(drawn: Fleet) -> None:
    assert homes(allocate(drawn)) == homes(allocate(Fleet.model_validate(drawn.model_dump())))


@given(fleets(), st.integers(1, 3))
def test_nodes_added_at_the_end_move_nothing(drawn: Fleet, count: int) -> None:
    nodes = [*drawn.model_dump()["nodes"], {"name": "extra", "count": count}]
    assert homes(allocate(changed(drawn, nodes=nodes))) == homes(allocate(drawn))


@given(fleets(), st.lists(_sizes, min_size=1, max_size=4))
def test_domains_added_at_the_end_move_nothing(drawn: Fleet, sizes: list[int]) -> None:
    dump = drawn.model_dump()
    added = [{"name": f"x{index}.example", "accounts_per_domain": size} for index, size in enumerate(sizes)]
    nodes = [*dump["nodes"], {"name": "room", "max_domains": 9, "max_accounts": 99}]
    after = homes(allocate(changed(drawn, domains=[*dump["domains"], *added], nodes=nodes)))
    before = homes(allocate(drawn))
    assert {domain: after[domain] for domain in before} == before


@given(fleets(), st.randoms(use_true_random=False), _sizes)
def test_once_pinned_no_order_insertion_or_removal_moves_a_domain(
    drawn: Fleet, random: Any, size: int
) -> None:
    before = homes(allocate(drawn))
    dump = drawn.model_dump()
    domains = [domain | {"node": before[domain["name"]]} for domain in dump["domains"]]
    random.shuffle(domains)
    removed = domains.pop()["name"]
    domains.insert(random.randint(0, len(domains)), {"name": "new.example", "accounts_per_domain": size})
    nodes = [{"name": "first", "max_domains": 1, "max_accounts": 4}, *dump["nodes"]]
    after = homes(allocate(changed(drawn, domains=domains, nodes=nodes)))
    assert {domain: node for domain, node in after.items() if domain != "new.example"} == {
        domain: node for domain, node in before.items() if domain != removed
    }


@given(fleets(), st.data())
def test_an_evacuation_overfills_no_node(drawn: Fleet, data: st.DataObject) -> None:
    allocation = allocate(drawn)
    lost = data.draw(st.sampled_from([node.name for node in allocation.nodes]))
    moves = evacuate(allocation, lost)
    assert list(moves) == [home.domain for home in allocation.homes_on[lost]]
    assert lost not in moves.values()
    for node in allocation.nodes:
        here = [home for home in allocation.homes if moves.get(home.domain, home.node) == node.name]
        if node.name != lost:
            assert len(here) <= node.max_domains
            assert sum(len(home.mailboxes) for home in here) <= node.max_accounts
