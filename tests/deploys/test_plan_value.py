"""A plan is a value: what it says, what it costs, what it asks consent for, and how it is saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costs.money import Monthly
from costs.pricebook import PriceBook
from deploys.plan import Action, Area, Change, Consent, Cost, Finding, Kind, Plan, Scope
from deploys.planning import NodeView, draw
from deploys.render import consent_phrase, markdown, summary, text_lines
from deploys.saved import PlanError, checksum, dump, load
from deploys.session import unmoved
from deploys.symbolic import Symbolic, Unknown, resolve, text, without
from deploys.wanted import wanted
from deploys.world import Current, Held, Hosted, Record, Rented, Server
from inventory import Allocation
from tests.deploys.fleets import allocation, facts, fleet_text

POOL = text(
    "v=spf1",
    Unknown("ipv4 of n1", " ip4:", optional=True),
    Unknown("ipv4 of n2", " ip4:", optional=True),
    " -all",
)


@pytest.fixture
def fleet(tmp_path: Path) -> Allocation:
    return allocation(tmp_path / "fleet.yaml", fleet_text(nodes=2, domains=4))


def drawn(fleet: Allocation, *areas: Area, limit: tuple[str, ...] = (), view: NodeView | None = None) -> Plan:
    scope = Scope(frozenset(areas or Area), limit)
    return draw(fleet, Current(), scope, PriceBook.load("current", "EUR"), view)


def test_a_hole_is_shown_and_filled_where_it_stands() -> None:
    assert str(POOL) == "v=spf1 ip4:(known after apply) ip4:(known after apply) -all"
    known = {"ipv4 of n1": "198.51.100.1", "ipv4 of n2": "198.51.100.2"}
    assert resolve(POOL, known) == "v=spf1 ip4:198.51.100.1 ip4:198.51.100.2 -all"


def test_one_failed_host_does_not_keep_its_pool_from_being_published() -> None:
    assert without(resolve(POOL, {"ipv4 of n2": "198.51.100.2"}), ()) == "v=spf1 ip4:198.51.100.2 -all"


def test_a_pool_of_failed_hosts_is_not_published_empty() -> None:
    assert isinstance(without(POOL, ()), Symbolic)


def test_the_plan_for_nothing_at_all_is_complete(fleet: Allocation) -> None:
    plan = drawn(fleet)
    kinds = {kind: sum(change.kind is kind for change in plan.changes) for kind in Kind}
    # Infrastructure: 5 of its own, 3 for the hub, 2 a node, 1 pool, 1 consent a domain; 6 a domain.
    assert kinds == {
        Kind.SSH_KEY: 2,
        Kind.FIREWALL: 1,
        Kind.SERVER: 3,
        Kind.PTR: 3,
        Kind.ZONE: 5,
        Kind.RECORD: 5 + 3 + 2 * 2 + 1 + 4 + 6 * 4,
        Kind.NODE: 3,
    }
    assert not plan.waiting
    assert plan.pending


def test_changes_come_in_the_order_they_can_be_applied(fleet: Allocation) -> None:
    plan = drawn(fleet)
    order = [change.kind for change in plan.changes]
    assert order.index(Kind.SERVER) > order.index(Kind.FIREWALL)
    assert order.index(Kind.PTR) > order.index(Kind.SERVER)
    assert order.index(Kind.ZONE) > order.index(Kind.PTR)
    assert order.index(Kind.NODE) > order.index(Kind.ZONE)
    keys = [at for at, change in enumerate(plan.changes) if "_domainkey" in change.object]
    assert min(keys) > max(at for at, change in enumerate(plan.changes) if change.kind is Kind.NODE)


def test_without_nodes_dkim_waits_and_is_not_pending(fleet: Allocation) -> None:
    plan = drawn(fleet, Area.SERVERS, Area.DNS)
    assert [change.object.split()[1] for change in plan.waiting] == ["s1._domainkey"] * 4
    assert not any("_domainkey" in change.object for change in plan.changes)
    assert "4 DKIM records wait for their nodes" in list(text_lines(plan))


def test_dns_alone_waits_for_addresses_nobody_has_yet(fleet: Allocation) -> None:
    plan = drawn(fleet, Area.DNS)
    waiting = sorted(change.object.split()[1] for change in plan.waiting)
    assert waiting == ["_pool-a", "hub", "n1", "n2", *["s1._domainkey"] * 4]


def test_a_limit_leaves_other_hosts_alone_and_brings_what_its_host_needs(fleet: Allocation) -> None:
    plan = drawn(fleet, Area.SERVERS, Area.DNS, limit=("n1",))
    assert {change.object for change in plan.changes if change.kind is Kind.SERVER} == {"n1"}
    assert [change.object for change in plan.changes if "_pool-a" in change.object]
    assert all("n2" not in change.hosts or "n1" in change.hosts for change in plan.changes)


def test_the_sum_is_one_line_with_its_money(fleet: Allocation) -> None:
    # cx33 8.49 and its IPv4 0.50 at Hetzner, two V153 at 5.50.
    assert summary(drawn(fleet, Area.SERVERS)) == "Plan: 9 to add, 0 to change, 0 to delete; +€19.99/month"


def test_an_unknown_price_is_named_and_never_counted_as_nothing(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=1, domains=4, type="V999"))
    plan = drawn(fleet, Area.SERVERS)
    assert plan.unpriced == ("contabo V999 (n1)",)
    assert summary(plan).endswith("+€8.99/month; price unknown: contabo V999 (n1)")


def test_currencies_are_summed_apart() -> None:
    change = Change(
        Action.CREATE,
        Kind.SERVER,
        "x",
        "n1",
        "n1",
        costs=(Cost("a", Monthly(Decimal(5), "EUR")), Cost("b", Monthly(Decimal(6), "USD"))),
    )
    plan = Plan("f", Scope(), "w", (change,))
    assert summary(plan) == "Plan: 1 to add, 0 to change, 0 to delete; +€5.00/month, +$6.00/month"


def test_consent_names_what_it_is_for() -> None:
    def change(consent: Consent, name: str, group: str = "") -> Change:
        return Change(Action.CREATE, Kind.SERVER, "x", group or name, name, consent=consent)

    assert consent_phrase([]) == ""
    assert consent_phrase([change(Consent.ORDER, "n1")]) == "order n1"
    several = [
        change(Consent.ORDER, "n1"),
        change(Consent.ORDER, "n2"),
        change(Consent.CANCEL, "old"),
        change(Consent.REROUTE, "a.example @ MX", "a.example"),
        change(Consent.REROUTE, "a.example @ TXT", "a.example"),
    ]
    assert consent_phrase(several) == "order 2 servers, cancel old, change mail routing of a.example"


def test_a_saved_plan_comes_back_equal(fleet: Allocation, tmp_path: Path) -> None:
    plan = replace(
        drawn(fleet, Area.SERVERS, Area.DNS),
        problems=(Finding("n1", "n1: in the way"),),
        drift=(Finding("n2", "n2: differs"),),
        notes=("set the name servers",),
    )
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(dump(plan)))
    again = load(path)
    assert again == plan
    assert checksum(again) == checksum(plan)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: {**data, "version": 2}, "plan format 2"),
        (lambda data: {**data, "world": "sha256:0"}, "was changed after it was written"),
        (lambda data: {**data, "changes": data["changes"][1:]}, "was changed after it was written"),
        (lambda _: {"version": 1}, "is not a plan"),
        (lambda _: [], "is not a plan"),
    ],
)
def test_a_spoilt_plan_is_refused_in_one_line(
    fleet: Allocation, tmp_path: Path, spoil: Callable[[Any], Any], complaint: str
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(spoil(dump(drawn(fleet)))))
    with pytest.raises(PlanError, match=complaint) as raised:
        load(path)
    assert "\n" not in str(raised.value)


def test_a_plan_of_another_world_is_refused_and_names_a_difference(fleet: Allocation) -> None:
    saved = drawn(fleet, Area.SERVERS)
    servers = (Held(_server(fleet, "n1"), "1", owned=True),)
    scope = Scope(frozenset({Area.SERVERS}))
    now = draw(fleet, Current(Rented(servers=servers)), scope, PriceBook.load("current", "EUR"))
    with pytest.raises(PlanError, match=r"create ptr n1 differs|create server n1 differs"):
        unmoved(saved, now)


def test_delegation_alone_does_not_spoil_a_saved_plan(fleet: Allocation) -> None:
    scope = Scope(frozenset({Area.DNS}))
    book = PriceBook.load("current")
    zones = {"infra.example": ()}
    pending = Hosted(zones, undelegated={"infra.example": ("ada.ns.example", "bob.ns.example")})
    before = draw(fleet, Current(hosted=pending), scope, book)
    after = draw(fleet, Current(hosted=Hosted(zones)), scope, book)
    assert before.notes == (
        "set the name servers ada.ns.example, bob.ns.example at the registrar of infra.example",
    )
    unmoved(before, after)


def test_markdown_has_the_sum_the_money_and_every_change(fleet: Allocation) -> None:
    shown = markdown(drawn(fleet, Area.SERVERS, Area.DNS))
    assert "**Plan: " in shown
    assert "| +€5.50/month | contabo V153 (n1) |" in shown
    assert "Needs consent: order 3 servers." in shown
    assert "+ A    n1  (known after apply)" in shown
    assert "```diff" in shown


def test_a_node_that_answered_shows_its_lines_and_one_that_did_not_is_a_problem(fleet: Allocation) -> None:
    known = facts(fleet)
    servers = tuple(
        Held(replace(_server(fleet, host), ipv4=ipv4), host, owned=True)
        for host, ipv4 in known.addresses.items()
    )
    view = NodeView({"hub": (), "n1": ("install postfix",)}, {"n2": "no route to host"})
    scope = Scope(frozenset({Area.NODES}))
    plan = draw(fleet, Current(Rented(servers=servers)), scope, PriceBook.load("current"), view)
    assert [(change.object, change.after) for change in plan.changes] == [
        ("n1", {"changes": ("install postfix",)})
    ]
    assert [found.message for found in plan.problems] == ["n2: no route to host"]


def test_a_key_that_a_node_no_longer_has_will_be_published_anew(fleet: Allocation) -> None:
    known = facts(fleet)
    servers = tuple(
        Held(replace(_server(fleet, host), ipv4=ipv4), host, owned=True)
        for host, ipv4 in known.addresses.items()
    )
    zones: dict[str, tuple[Held[Record], ...]] = {}
    for record in wanted(fleet, known).records:
        zones[record.zone] = (
            *zones.get(record.zone, ()),
            Held(record, record.name + record.type, owned=True),
        )
    current = Current(Rented(servers=servers), Hosted(zones))
    scope = Scope(frozenset({Area.DNS, Area.NODES}))
    book = PriceBook.load("current")
    same = NodeView({"hub": (), "n1": (), "n2": ()}, {}, known.dkim)
    assert not draw(fleet, current, scope, book, same).changes
    rebuilt = NodeView({"hub": (), "n1": ("make keys",), "n2": ()}, {}, {})
    plan = draw(fleet, current, scope, book, rebuilt)
    renewed = [change for change in plan.changes if change.kind is Kind.RECORD]
    assert [change.action for change in renewed] == [Action.UPDATE] * 4
    silent = NodeView({"hub": (), "n2": ()}, {"n1": "down"}, {})
    assert not draw(fleet, current, scope, book, silent).changes


def _server(fleet: Allocation, host: str) -> Server:
    return next(server for server in wanted(fleet, facts(fleet)).servers if server.host == host)
