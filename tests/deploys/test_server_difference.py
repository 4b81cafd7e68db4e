"""What changes at the server vendors: orders, ends, names; never a server in place, never another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploys.difference import Difference, rented_difference
from deploys.plan import Action, Consent, Kind
from deploys.wanted import wanted
from deploys.world import Facts, Firewall, Held, Rented, Server, SshKey, Wanted
from inventory import Allocation
from inventory.model import Orchestrator
from tests.deploys.fleets import allocation, facts, fleet_text, price


@pytest.fixture
def fleet(tmp_path: Path) -> Allocation:
    return allocation(tmp_path / "fleet.yaml", fleet_text(nodes=2, domains=4))


def as_wanted(goal: Wanted) -> Rented:
    """The vendors as they are once everything was applied."""
    return Rented(
        keys=tuple(Held(key, key.name, owned=True) for key in goal.keys),
        firewalls=tuple(Held(wall, wall.name, owned=True) for wall in goal.firewalls),
        servers=tuple(Held(server, server.host, owned=True) for server in goal.servers),
    )


def compare(rented: Rented, goal: Wanted) -> Difference:
    return rented_difference(rented, goal, price)


def server(rented: Rented, host: str, held: Held[Server] | None) -> Rented:
    """The same, with one server replaced or gone."""
    others = tuple(one for one in rented.servers if one.value.host != host)
    return replace(rented, servers=others + ((held,) if held else ()))


def test_nothing_there_means_keys_firewall_servers_and_ptrs_in_this_order(fleet: Allocation) -> None:
    changes = compare(Rented(), wanted(fleet, Facts())).changes
    assert [(change.kind, change.object) for change in changes if change.kind is not Kind.SSH_KEY] == [
        (Kind.FIREWALL, "hub.proof.outreach"),
        (Kind.SERVER, "hub"),
        (Kind.PTR, "hub"),
        (Kind.SERVER, "n1"),
        (Kind.PTR, "n1"),
        (Kind.SERVER, "n2"),
        (Kind.PTR, "n2"),
    ]
    assert [change.provider for change in changes if change.kind is Kind.SSH_KEY] == ["hetzner", "contabo"]


def test_everything_there_means_no_change(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    assert compare(as_wanted(goal), goal) == Difference()


def test_an_order_costs_and_needs_consent(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    order = compare(server(as_wanted(goal), "n1", None), goal).changes[0]
    assert (order.kind, order.consent) == (Kind.SERVER, Consent.ORDER)
    assert [str(cost.monthly) for cost in order.costs] == ["€6.00/mo"]


@pytest.mark.parametrize(("host", "consent"), [("old", Consent.CANCEL), ("oldhub", Consent.DELETE_SERVER)])
def test_a_server_of_ours_that_left_the_file_ends_and_saves(
    fleet: Allocation, host: str, consent: Consent
) -> None:
    goal = wanted(fleet, facts(fleet))
    like = goal.servers[1] if consent is Consent.CANCEL else goal.servers[0]
    rented = as_wanted(goal)
    rented = replace(rented, servers=(*rented.servers, Held(replace(like, host=host), "9", owned=True)))
    changes = compare(rented, goal).changes
    assert [(change.action, change.object, change.consent) for change in changes] == [
        (Action.DELETE, host, consent)
    ]
    assert [str(cost.monthly) for cost in changes[0].costs] == ["-€6.00/mo"]


def test_a_server_that_is_cancelled_already_is_not_cancelled_again(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    gone = Held(replace(goal.servers[1], host="old"), "9", owned=True, leaving="2026-12-31")
    rented = as_wanted(goal)
    assert compare(replace(rented, servers=(*rented.servers, gone)), goal) == Difference()


def test_a_node_whose_only_server_is_cancelled_is_not_ordered_again(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    leaving = Held(goal.servers[1], "9", owned=True, leaving="2026-12-31")
    found = compare(server(as_wanted(goal), "n1", leaving), goal)
    assert not found.changes
    assert "ends on 2026-12-31" in found.conflicts[0].message


def test_a_server_of_others_with_our_name_is_a_conflict_and_stays(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    theirs = Held(replace(goal.servers[1], type="V999", ptr="x.example"), "9", owned=False)
    found = compare(server(as_wanted(goal), "n1", theirs), goal)
    assert not found.changes
    assert found.conflicts[0].group == "n1"
    assert "did not make" in found.conflicts[0].message


def test_other_servers_of_others_are_nobodys_business(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    theirs = Held(replace(goal.servers[1], host="web"), "9", owned=False)
    rented = as_wanted(goal)
    assert compare(replace(rented, servers=(*rented.servers, theirs)), goal) == Difference()


@pytest.mark.parametrize(("field", "value"), [("type", "V154"), ("location", "UK")])
def test_another_type_or_place_is_drift_and_never_a_change(fleet: Allocation, field: str, value: str) -> None:
    goal = wanted(fleet, facts(fleet))
    differs = Held(replace(goal.servers[1], **{field: value}), "9", owned=True)  # type: ignore[arg-type]  # both text
    found = compare(server(as_wanted(goal), "n1", differs), goal)
    assert not found.changes
    assert [drift.group for drift in found.drift] == ["n1"]
    assert f"its {field} at contabo is {value}" in found.drift[0].message


def test_a_wrong_ptr_is_corrected_alone(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    wrong = Held(replace(goal.servers[1], ptr="vmi1.contaboserver.net"), "9", owned=True)
    changes = compare(server(as_wanted(goal), "n1", wrong), goal).changes
    assert [(change.action, change.kind, change.object) for change in changes] == [
        (Action.UPDATE, Kind.PTR, "n1")
    ]
    assert changes[0].after == {"ipv4": "198.51.100.11", "name": "n1.infra.example"}


def test_an_order_that_has_no_address_yet_is_waited_for_and_not_repeated(fleet: Allocation) -> None:
    known = facts(fleet)
    goal = wanted(fleet, replace(known, addresses={**known.addresses, "n1": ""}))
    young = Held(replace(goal.servers[1], ipv4=None, ptr=""), "9", owned=True)
    changes = compare(server(as_wanted(goal), "n1", young), goal).changes
    assert [(change.action, change.kind, change.consent) for change in changes] == [
        (Action.UPDATE, Kind.SERVER, None),
        (Action.CREATE, Kind.PTR, None),
    ]


def test_a_declared_server_that_does_not_exist_is_named(tmp_path: Path) -> None:
    text = fleet_text(nodes=1, domains=4).replace("    count: 1\n", "    ipv4: 203.0.113.9\n")
    found = compare(Rented(), wanted(allocation(tmp_path / "fleet.yaml", text), Facts()))
    assert [conflict.group for conflict in found.conflicts] == ["n"]
    assert "203.0.113.9" in found.conflicts[0].message


def test_a_declared_server_made_by_hand_gets_its_ptr_and_is_never_ordered(tmp_path: Path) -> None:
    text = fleet_text(nodes=1, domains=4).replace("    count: 1\n", "    ipv4: 203.0.113.9\n")
    goal = wanted(allocation(tmp_path / "fleet.yaml", text), Facts())
    theirs = Held(replace(goal.servers[1], ptr="old.example"), "9", owned=False)
    changes = compare(Rented(servers=(theirs,)), goal).changes
    assert [(c.action, c.kind) for c in changes if c.object == "n"] == [(Action.UPDATE, Kind.PTR)]


def test_a_key_that_someone_else_put_at_the_vendor_is_used_as_it_is(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    theirs = Held(SshKey("hetzner", "anna's laptop", goal.keys[0].public_key), "9", owned=False)
    rented = replace(as_wanted(goal), keys=(theirs, Held(goal.keys[1], "2", owned=True)))
    assert compare(rented, goal) == Difference()


def test_a_key_that_left_the_file_goes_and_one_of_others_stays(fleet: Allocation) -> None:
    goal = wanted(fleet, facts(fleet))
    rented = as_wanted(goal)
    old = Held(SshKey("hetzner", "key-00.proof.outreach", "ssh-ed25519 AAAA"), "8", owned=True)
    theirs = Held(SshKey("hetzner", "bob", "ssh-ed25519 BBBB"), "9", owned=False)
    changes = compare(replace(rented, keys=(*rented.keys, old, theirs)), goal).changes
    assert [(change.action, change.object) for change in changes] == [
        (Action.DELETE, "key-00.proof.outreach")
    ]


def with_n8n(fleet: Allocation) -> Orchestrator:
    """The orchestrator with everything it can be made ready for, so that every rule is there."""
    return fleet.fleet.orchestrator.model_copy(update={"services": ("n8n",)})


def test_a_firewall_with_other_rules_is_set_right(fleet: Allocation) -> None:
    fleet = replace(fleet, fleet=fleet.fleet.model_copy(update={"orchestrator": with_n8n(fleet)}))
    goal = wanted(fleet, facts(fleet))
    open_wall: Firewall = replace(goal.firewalls[0], rules=("tcp 22 0.0.0.0/0",))
    changes = compare(replace(as_wanted(goal), firewalls=(Held(open_wall, "1", owned=True),)), goal).changes
    assert [(change.action, change.kind) for change in changes] == [(Action.UPDATE, Kind.FIREWALL)]
    wanted_rules = (
        "icmp - 0.0.0.0/0",
        "tcp 22 192.0.2.10/32",
        "tcp 4222 0.0.0.0/0",
        "tcp 443 192.0.2.10/32",
        "tcp 80 0.0.0.0/0",
    )
    assert changes[0].after == {"rules": wanted_rules, "hosts": ("hub",)}
