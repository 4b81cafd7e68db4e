"""Draw up a plan: the world as read against the fleet as wanted, cut to a scope. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from costs.pricebook import PriceBook
from deploys.difference import Difference, Price, rented_difference
from deploys.dns.difference import hosted_difference, slot
from deploys.dns.records import dkim_of
from deploys.plan import Action, Area, Change, Cost, Finding, Kind, Plan, Scope
from deploys.symbolic import AFTER_APPLY, Symbolic, without
from deploys.wanted import wanted
from deploys.world import Current, Facts, Hosted, Server, Wanted
from inventory.allocation import Allocation

SHOWN = 3
"""Names listed before the rest is counted."""
NEW = "will be configured"
"""The plan of a host that nobody can look at yet."""


@dataclass(frozen=True)
class NodeView:
    """What a look at the hosts themselves showed.

    Args:
        changes: plan lines by host that answered, empty where nothing is to do.
        silent: why, by host that exists and did not answer or could not be read.
        dkim: base64 public key by domain, as the nodes hold them.
        remarks: what is left as it is on a host and a person should know, by host that answered.
    """

    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    dkim: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def pricing(book: PriceBook) -> Price:
    """Each server's monthly cost by the book: the server, and its address where that is a line of its own."""

    def price(server: Server) -> tuple[Cost, ...]:
        if not server.ordered:
            return ()
        rent = book.server_monthly(server.provider, server.type, server.term_months)
        lines = [Cost(f"{server.provider} {server.type} ({server.host})", rent)]
        address = book.ipv4_monthly(server.provider)
        if address is None or address.amount:
            lines.append(Cost(f"{server.provider} IPv4 ({server.host})", address))
        return tuple(lines)

    return price


def facts_of(allocation: Allocation, current: Current, view: NodeView | None) -> Facts:
    """What the world as read reveals: addresses of servers, and keys as nodes hold or as DNS has them.

    What a node says of its keys goes before what is published, which may be left from a server long gone.
    Where nobody could look, what is published stands.
    """
    addresses = {
        held.value.host: held.value.ipv4
        for held in current.rented.servers
        if held.value.ipv4 and not held.leaving
    }
    blind = {server.name for server in allocation.servers if view is None or server.name in view.silent}
    keys = {**view.dkim} if view else {}
    for home in allocation.homes:
        if home.node in blind:
            for held in current.hosted.zones.get(home.domain, ()):
                if held.owned and held.value.relative == f"{allocation.fleet.dkim.selector}._domainkey":
                    keys[home.domain] = str(held.value.value).partition("p=")[2]
    return Facts(addresses, keys)


def draw(
    allocation: Allocation, current: Current, scope: Scope, book: PriceBook, view: NodeView | None = None
) -> Plan:
    """Draw up the plan.

    Args:
        allocation: the fleet as wanted.
        current: the providers as read.
        scope: areas and hosts to plan for.
        book: prices.
        view: the hosts as seen; None if nobody looked.
    """
    facts = facts_of(allocation, current, view)
    goal = wanted(allocation, facts)
    seen = view or NodeView()
    found = rented_difference(current.rented, goal, pricing(book))
    dns, clashes = hosted_difference(current.hosted, goal, allocation.fleet.dns.account, scope.adopt)
    everything = [*found.changes, *dns, *node_changes(allocation, facts, found, seen)]
    changes, waiting = _cut(everything, allocation, scope)
    problems = [*(found.conflicts if Area.SERVERS in scope.only else ())]
    problems += clashes if Area.DNS in scope.only else ()
    if Area.NODES in scope.only:
        problems += [Finding(host, f"{host}: {why}") for host, why in sorted(seen.silent.items())]
    return Plan(
        fleet=allocation.fleet.name,
        scope=scope,
        world=digest(current, goal),
        changes=tuple(sorted(changes, key=_turn)),
        waiting=tuple(waiting),
        problems=tuple(_limited(problems, scope, allocation)),
        drift=tuple(_limited(found.drift, scope, allocation)) if Area.SERVERS in scope.only else (),
        notes=(
            *(_undelegated(current.hosted) if Area.DNS in scope.only else ()),
            *(f"{host}: {line}" for host, lines in sorted(seen.remarks.items()) for line in lines),
        ),
    )


def node_changes(allocation: Allocation, facts: Facts, found: Difference, view: NodeView) -> Iterator[Change]:
    """What will be done on the hosts: the lines of their preview, or that new ones will be configured."""
    ordered = {change.object for change in found.changes if change.kind is Kind.SERVER}
    unborn = [name for name in ordered if name not in facts.addresses]
    for server in allocation.servers:
        lines = view.changes.get(server.name, ())
        if server.name in unborn:
            lines = (NEW,)
        elif server == allocation.orchestrator and server.name in view.changes:
            # Its firewall lets nodes in by their addresses, which an order reveals.
            new = (node.name for node in allocation.nodes if node.name in unborn)
            lines = (*lines, *(f"firewall: let {name} in, {AFTER_APPLY}" for name in new))
        if lines:
            yield Change(
                Action.UPDATE if server.name in view.changes else Action.CREATE,
                Kind.NODE,
                "ssh",
                server.name,
                server.name,
                after={"changes": lines},
                hosts=(server.name,),
            )


def _undelegated(hosted: Hosted) -> Iterator[str]:
    """Zones that no resolver is sent to yet, by the name servers to set at their registrar."""
    zones: dict[tuple[str, ...], list[str]] = {}
    for zone, servers in hosted.undelegated.items():
        zones.setdefault(servers, []).append(zone)
    for servers, names in zones.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        some = ", ".join(names[:SHOWN])
        yield f"set the name servers {', '.join(servers)} at the registrar of {some}{more}"


def digest(current: Current, goal: Wanted) -> str:
    """SHA-256 of the world as far as it concerns the fleet: what is ours, and what stands in its place."""
    places = {slot(record) for record in goal.records}
    names = {record.name for record in goal.records}
    rented = [*current.rented.keys, *current.rented.firewalls, *current.rented.servers]
    hosted = [
        held
        for records in current.hosted.zones.values()
        for held in records
        if held.owned
        or slot(held.value) in places
        or (held.value.type, held.value.name in names) == ("CNAME", True)
    ]
    facts = sorted(repr(held) for held in [*rented, *hosted])
    facts += sorted(repr(item) for item in current.hosted.elsewhere.items())
    facts += sorted(current.hosted.zones)
    return "sha256:" + hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _turn(change: Change) -> int:
    """When a change is due: what servers need, servers, PTR, DNS, nodes, the DNS only they know, goodbyes."""
    if change.kind.area is Area.DNS:
        return 5 if any(hole.what.startswith("dkim") for hole in change.unknowns) else 3
    if change.action is Action.DELETE:
        return {Kind.SERVER: 6, Kind.FIREWALL: 7, Kind.SSH_KEY: 8}[change.kind]
    return {Kind.SSH_KEY: 0, Kind.FIREWALL: 0, Kind.SERVER: 1, Kind.PTR: 2, Kind.NODE: 4}[change.kind]


def _limited(findings: Iterable[Finding], scope: Scope, allocation: Allocation) -> Iterator[Finding]:
    """The findings of the hosts in the limit, of their domains, and of the fleet."""
    homes = {home.domain: home.node for home in allocation.homes}
    hosts = {server.name for server in allocation.servers}
    for found in findings:
        host = homes.get(found.group, found.group)
        if not scope.limit or host in scope.limit or host not in hosts:
            yield found


def _cut(
    changes: Iterable[Change], allocation: Allocation, scope: Scope
) -> tuple[list[Change], list[Change]]:
    """Keep what is in scope, and tell what can be applied in it from what waits for another area."""
    inside = [change for change in changes if scope.covers(change)]
    servers = (change for change in inside if change.kind is Kind.SERVER)
    learnt = {hole.what for change in servers for hole in change.unknowns}
    if Area.NODES in scope.only:
        learnt |= {dkim_of(home.domain) for home in allocation.homes}
    ready: list[Change] = []
    waiting: list[Change] = []
    for whole in inside:
        change = cut(whole, learnt)
        if change.after == change.before:
            continue  # the part of a list that is known is published already
        known = all(hole.what in learnt for hole in change.unknowns)
        missing = (
            change.kind is Kind.NODE and change.action is Action.CREATE and Area.SERVERS not in scope.only
        )
        (ready if known and not missing else waiting).append(change)
    return ready, waiting


def cut(change: Change, learnable: Container[str]) -> Change:
    """The change without the optional holes that nothing will fill."""
    after = change.after and {
        name: without(value, learnable) if isinstance(value, Symbolic) else value
        for name, value in change.after.items()
    }
    return replace(change, after=after)
