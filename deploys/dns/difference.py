"""The changes of zones and records, and the conflicts with records that others made. No I/O.

Records that must be alone are compared by slot: the one place that one value may hold. All MX of a name are
one slot, and all SPF among its TXT; what else the TXT of a name say is nobody's business here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from deploys.plan import Action, Change, Consent, Fields, Finding, Kind
from deploys.symbolic import Symbolic
from deploys.world import Held, Hosted, Record, Wanted

PROVIDER = "cloudflare"

Slot = tuple[str, str, str]


def slot(record: Record) -> Slot:
    """The place that `record` takes at its name: name, type and what tells it from harmless neighbours."""
    value = str(record.value)
    if record.type == "TXT" and value.lower().startswith("v=spf1"):
        return record.name, record.type, "spf"  # exactly one a name (RFC 7208 section 3.2)
    if record.type == "TXT" and not any(label.startswith("_") for label in record.name.split(".")):
        return record.name, record.type, value
    if record.type == "CAA":
        return record.name, record.type, value  # authorities add up (RFC 8659 section 4)
    return record.name, record.type, ""


def hosted_difference(
    current: Hosted, wanted: Wanted, account: str, adopt: Sequence[str] = ()
) -> tuple[list[Change], list[Finding]]:
    """Compare every zone. A zone with a conflict gets no changes at all.

    Args:
        current: zones and records as read.
        wanted: as the fleet wants them.
        account: the DNS provider's account that new zones are made in.
        adopt: records of others that may be taken over, as `zone/name/type` with `@` for the apex.
    """
    by_zone: dict[str, list[Record]] = defaultdict(list)
    for record in wanted.records:
        by_zone[record.zone].append(record)
    changes: list[Change] = []
    conflicts: list[Finding] = []
    # Zones no longer of the fleet are cleared first: the shared zone's mark is how they are remembered.
    leaving = [zone for zone in current.zones if zone not in set(wanted.zones)]
    for zone in (*leaving, *wanted.zones):
        if zone in current.elsewhere and zone not in current.zones:
            conflicts.append(Finding(zone, _elsewhere(zone, current.elsewhere[zone], account)))
            continue
        held = current.zones.get(zone)
        found, clashes = zone_difference(zone, held or (), by_zone[zone], adopt)
        if clashes:
            conflicts += clashes
            continue
        if held is None:
            hosts = tuple(dict.fromkeys(host for record in by_zone[zone] for host in record.hosts))
            fields: Fields = {"account": account}
            changes.append(Change(Action.CREATE, Kind.ZONE, PROVIDER, zone, zone, after=fields, hosts=hosts))
            # Nobody is served from a new zone yet, so none of its records can take anything away.
            changes += [_free(change) for change in found]
        else:
            changes += found
    return changes, conflicts


def zone_difference(
    zone: str, held: Iterable[Held[Record]], wanted: Sequence[Record], adopt: Sequence[str] = ()
) -> tuple[list[Change], list[Finding]]:
    """Compare one zone's records."""
    there: dict[Slot, list[Held[Record]]] = defaultdict(list)
    aliases: dict[str, Held[Record]] = {}
    for item in held:
        there[slot(item.value)].append(item)
        if item.value.type == "CNAME":
            aliases[item.value.name] = item
    changes: list[Change] = []
    conflicts: list[Finding] = []
    for record in wanted:
        present = there.pop(slot(record), [])
        foreign = [item for item in present if not item.owned and not _adopted(item.value, adopt)]
        clash = [item for item in foreign if item.value.value != record.value]
        alias = aliases.get(record.name)
        # Cloudflare flattens an alias at the apex, which may stand beside anything but an address.
        if alias and not alias.owned and (record.name != zone or record.type in ("A", "AAAA")):
            clash.append(alias)
        if clash:
            conflicts.append(Finding(zone, _conflict(record, clash[0].value)))
            continue
        ours = [item for item in present if item not in foreign]
        changes += _settle(record, ours, foreign)
    hosts = {host for record in wanted for host in record.hosts}
    home = tuple(hosts) if len(hosts) == 1 else ()
    changes += [
        _delete(replace(item.value, hosts=home)) for left in there.values() for item in left if item.owned
    ]
    return changes, conflicts


def _settle(
    record: Record, ours: Sequence[Held[Record]], satisfied: Sequence[Held[Record]]
) -> Iterator[Change]:
    """Make one of `ours` say what is wanted and delete the rest; if another's says it, none is needed."""
    best = sorted(ours, key=lambda item: (item.value.value != record.value, not item.owned, item.id))
    if not satisfied and not best:
        yield _change(Action.CREATE, record, None)
    if not satisfied and best:
        keep = best.pop(0)
        if (keep.value.value, keep.value.ttl, keep.owned) != (record.value, record.ttl, True):
            yield _change(Action.UPDATE, record, keep)
    for extra in best:
        yield _delete(replace(extra.value, hosts=record.hosts))


def object_name(record: Record) -> str:
    """A record's name in a plan, unique: `a.example @ MX 10 n1.infra.example`.

    The value is part of it: records of one name and type differ in nothing else. Updates name the old one.
    """
    return f"{record.zone} {record.relative} {record.type} {record.value}"


def record_fields(record: Record) -> Fields:
    """A record as the fields of a change."""
    value: str | Symbolic = record.value
    return {"name": record.name, "type": record.type, "value": value, "ttl": record.ttl}


def _change(action: Action, record: Record, old: Held[Record] | None) -> Change:
    before: dict[str, str | int | tuple[str, ...] | Symbolic] | None = None
    if old:
        before = {**record_fields(old.value)}
        if not old.owned:
            before["adopted"] = "made by others"
    return Change(
        action,
        Kind.RECORD,
        PROVIDER,
        record.zone,
        object_name(old.value if old else record),
        before=before,
        after=record_fields(record),
        consent=Consent.REROUTE if _steers(record) else None,
        hosts=record.hosts,
    )


def _delete(record: Record) -> Change:
    return Change(
        Action.DELETE,
        Kind.RECORD,
        PROVIDER,
        record.zone,
        object_name(record),
        before=record_fields(record),
        consent=Consent.DELETE_RECORD,
        hosts=record.hosts,
    )


def _free(change: Change) -> Change:
    return replace(change, consent=None)


def _steers(record: Record) -> bool:
    """Whether the record says where mail or name service goes, or speaks for all of a domain."""
    return record.type in ("MX", "NS") or record.name == record.zone


def _adopted(record: Record, adopt: Sequence[str]) -> bool:
    return f"{record.zone}/{record.relative}/{record.type}" in adopt


def _elsewhere(zone: str, other: str, account: str) -> str:
    return (
        f"{zone}: the zone belongs to account {other}, the fleet file says {account}: "
        "move the zone, or correct dns.account in the fleet file"
    )


def _conflict(record: Record, other: Record) -> str:
    return (
        f"{record.zone}: {other.relative} {other.type} {str(other.value)[:80]!r} was made by others where "
        f"{str(record.value)[:60]!r} must go: remove it, or take it over with "
        f"--adopt {other.zone}/{other.relative}/{other.type}"
    )
