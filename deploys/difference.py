"""The changes that turn the world as read into the one wanted: servers and what belongs to them. No I/O.

What others made is never in a change. Where it stands in our way, there is a finding instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from deploys.dns.records import address_of
from deploys.plan import Action, Change, Consent, Cost, Fields, Finding, Kind
from deploys.symbolic import Unknown, text
from deploys.world import Firewall, Held, Rented, Server, SshKey, Wanted

Price = Callable[[Server], tuple[Cost, ...]]
"""What one server costs each month, as lines."""

CANCELLED = frozenset({"contabo"})
"""Vendors without a delete: a contract is cancelled and runs out."""


@dataclass
class Difference:
    """What was found while comparing."""

    changes: list[Change] = field(default_factory=list)
    conflicts: list[Finding] = field(default_factory=list)
    drift: list[Finding] = field(default_factory=list)


def rented_difference(current: Rented, wanted: Wanted, price: Price) -> Difference:
    """Compare SSH keys, firewalls, servers and PTRs.

    Changes come in the order they can be applied: what servers need, servers, PTRs, and deletes at the end.
    """
    found = Difference()
    _keys(current.keys, wanted.keys, found)
    _firewalls(current.firewalls, wanted.firewalls, found)
    _servers(current.servers, wanted, price, found)
    found.changes.sort(key=lambda change: change.action is Action.DELETE)
    return found


def _keys(current: Iterable[Held[SshKey]], wanted: Iterable[SshKey], found: Difference) -> None:
    held = {(key.value.provider, key.value.name) for key in current}
    held |= {(key.value.provider, key.value.public_key) for key in current}
    for key in wanted:
        # A vendor takes each key once, so one that someone else put there serves us too.
        if (key.provider, key.name) not in held and (key.provider, key.public_key) not in held:
            fields: Fields = {"public_key": key.public_key}
            found.changes.append(
                Change(Action.CREATE, Kind.SSH_KEY, key.provider, "fleet", key.name, after=fields)
            )
    names = {(key.provider, key.name) for key in wanted}
    for stale in current:
        if stale.owned and (stale.value.provider, stale.value.name) not in names:
            found.changes.append(
                Change(
                    Action.DELETE,
                    Kind.SSH_KEY,
                    stale.value.provider,
                    "fleet",
                    stale.value.name,
                    before={"public_key": stale.value.public_key},
                )
            )


def _firewalls(current: Iterable[Held[Firewall]], wanted: Iterable[Firewall], found: Difference) -> None:
    held = {(item.value.provider, item.value.name): item for item in current}
    for firewall in wanted:
        old = held.pop((firewall.provider, firewall.name), None)
        after: Fields = {"rules": firewall.rules, "hosts": firewall.hosts}
        place = (Kind.FIREWALL, firewall.provider, "fleet", firewall.name)
        if old is None:
            found.changes.append(Change(Action.CREATE, *place, after=after))
        elif not old.owned:
            found.conflicts.append(Finding("fleet", _taken(firewall.provider, "firewall", firewall.name)))
        else:
            before: Fields = {"rules": old.value.rules, "hosts": old.value.hosts}
            if before != after:
                found.changes.append(Change(Action.UPDATE, *place, before=before, after=after))
    for stale in held.values():
        if stale.owned:
            value = stale.value
            before = {"rules": value.rules, "hosts": value.hosts}
            found.changes.append(
                Change(Action.DELETE, Kind.FIREWALL, value.provider, "fleet", value.name, before=before)
            )


def _servers(current: Iterable[Held[Server]], wanted: Wanted, price: Price, found: Difference) -> None:
    held = {(server.value.provider, server.value.host): server for server in current}
    for server in wanted.servers:
        old = held.pop((server.provider, server.host), None)
        problem = _in_the_way(server, old)
        if problem:
            found.conflicts.append(Finding(server.host, problem))
            continue
        if old is None:
            found.changes.append(_order(server, wanted, price))
        elif not old.value.ipv4:
            found.changes.append(_await_address(server))
        if old is not None:
            found.drift += _drift(server, old.value)
        found.changes += _ptr(server, old)
    for stale in held.values():
        if stale.owned and not stale.leaving:
            found.changes.append(_end(stale, price))


def _in_the_way(server: Server, old: Held[Server] | None) -> str:
    """Why `server` cannot be had, in one line; empty if it can."""
    if old is None:
        if server.ordered:
            return ""
        return (
            f"{server.host}: {server.provider} has no server with the address {server.ipv4}: "
            "correct its ipv4 in the fleet file, or remove it there to order a server"
        )
    if old.leaving and server.ordered:
        return (
            f"{server.host}: its server at {server.provider} is cancelled and ends on {old.leaving}: "
            "withdraw that in the customer panel, or give the node another name in the fleet file"
        )
    if server.ordered and not old.owned:
        return _taken(server.provider, "server", server.host)
    return ""


def _taken(provider: str, what: str, name: str) -> str:
    return (
        f"{name}: {provider} has a {what} of this name that outreach did not make: "
        "rename or remove it there, or choose another name in the fleet file"
    )


def _order(server: Server, wanted: Wanted, price: Price) -> Change:
    after: Fields = {
        "type": server.type,
        "location": server.location,
        "image": server.image,
        "term_months": server.term_months,
        "ipv4": text(Unknown(address_of(server.host))),
        "ssh_keys": tuple(key.name for key in wanted.keys if key.provider == server.provider),
        "firewalls": tuple(wall.name for wall in wanted.firewalls if server.host in wall.hosts),
    }
    return Change(
        Action.CREATE,
        Kind.SERVER,
        server.provider,
        server.host,
        server.host,
        after=after,
        costs=price(server),
        consent=Consent.ORDER,
        hosts=(server.host,),
    )


def _await_address(server: Server) -> Change:
    """A server whose order was placed, but has no address yet."""
    return Change(
        Action.UPDATE,
        Kind.SERVER,
        server.provider,
        server.host,
        server.host,
        before={"ipv4": ""},
        after={"ipv4": text(Unknown(address_of(server.host)))},
        hosts=(server.host,),
    )


def _end(stale: Held[Server], price: Price) -> Change:
    server = stale.value
    saved = tuple(Cost(cost.label, -cost.monthly if cost.monthly else None) for cost in price(server))
    before: Fields = {"type": server.type, "location": server.location, "ipv4": server.ipv4 or ""}
    return Change(
        Action.DELETE,
        Kind.SERVER,
        server.provider,
        server.host,
        server.host,
        before=before,
        costs=saved,
        consent=Consent.CANCEL if server.provider in CANCELLED else Consent.DELETE_SERVER,
        hosts=(server.host,),
    )


def _drift(server: Server, old: Server) -> Iterator[Finding]:
    """What differs but is never changed: it would reprice the server or lose its disk and its address."""
    for what, is_now, said in (
        ("type", old.type, server.type),
        ("location", old.location, server.location),
    ):
        if is_now != said:
            yield Finding(
                server.host,
                f"{server.host}: its {what} at {server.provider} is {is_now}, the fleet file says {said}: "
                "never changed in place; correct the file, or add a node and retire this one",
            )


def _ptr(server: Server, old: Held[Server] | None) -> Iterator[Change]:
    before = old.value.ptr if old else ""
    if before == server.ptr:
        return
    address = (old.value.ipv4 if old else None) or server.ipv4
    after: Fields = {"ipv4": address or text(Unknown(address_of(server.host))), "name": server.ptr}
    yield Change(
        Action.UPDATE if before else Action.CREATE,
        Kind.PTR,
        server.provider,
        server.host,
        server.host,
        before={"ipv4": address or "", "name": before} if before else None,
        after=after,
        hosts=(server.host,),
    )
