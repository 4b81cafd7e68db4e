"""DNS records of a zone, one by one and in batches."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.emulators.cloudflare.content import PROXIABLE, character_strings, normalise, owner, quoted
from lab.emulators.cloudflare.envelope import error, invalid, listed, success
from lab.emulators.cloudflare.filters import chosen
from lab.emulators.cloudflare.zones import Zones
from lab.emulators.fields import array, mapping, objects, text
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply
from lab.world import ResourceRecord

AUTOMATIC_TTL = 300
"""Seconds a TTL of 1 ("automatic") is served with."""

PROXY = "198.18.255.254"
"""What the lab serves for a proxied name: as in reality not the origin, and no mail server."""

_ADDRESSES = ("A", "AAAA")
_HOSTS = ("CNAME", "NS", "PTR", "MX", "SRV")


class Records:
    """`/zones/{zone}/dns_records`."""

    def __init__(self, lab: Context, setting: Callable[[str], float], zones: Zones) -> None:
        self._lab = lab
        self._setting = setting
        self._zones = zones
        self._table = lab.store.table("cloudflare", "record")
        lab.jobs.zone_records = self.served

    def operations(self) -> Sequence[Operation]:
        """CRUD and batch."""
        base = "/client/v4/zones/{zone}/dns_records"
        one = f"{base}/{{record}}"
        return (
            Operation("POST", f"{base}/batch", self._batch),
            Operation("GET", base, self._list),
            Operation("POST", base, self._changing(lambda zone, call: self._create(zone, call.body))),
            Operation("GET", one, self._read),
            Operation("PUT", one, self._changing(lambda zone, call: self._replace(zone, _named(call)))),
            Operation("PATCH", one, self._changing(lambda zone, call: self._patch(zone, _named(call)))),
            Operation(
                "DELETE",
                one,
                self._changing(lambda zone, call: {"id": self._delete(zone, _named(call))["id"]}),
            ),
        )

    def served(self, name: str) -> Sequence[ResourceRecord] | None:
        """The zone's records for an authoritative server; None if there is no such zone."""
        zone = self._zones.by_name(name)
        return None if zone is None else [_served(record) for record in self._table.rows(zone["id"])]

    def _changing(self, change: Callable[[Json, Call], Json]) -> Callable[[Call], Reply]:
        """An operation that changes the zone, so that it is published before the answer leaves."""

        def function(call: Call) -> Reply:
            zone = self._zones.get(call)
            result = change(zone, call)
            return success(result, jobs=(self._lab.jobs.publish(zone["name"]),))

        return function

    def _list(self, call: Call) -> Reply:
        zone = self._zones.get(call)
        return listed(call, chosen(self._table.rows(zone["id"]), call.query), 100, 50_000)

    def _read(self, call: Call) -> Reply:
        return success(self._find(self._zones.get(call), call.parameters["record"]))

    def _batch(self, call: Call) -> Reply:
        """Deletes, patches, puts and posts, in this order, all or nothing."""
        steps: Mapping[str, Callable[[Json, Json], Json]] = {
            "deletes": self._delete,
            "patches": self._patch,
            "puts": self._replace,
            "posts": self._create,
        }
        zone = self._zones.get(call)
        wanted = {name: objects(call.body, name) for name in steps}
        count, limit = sum(map(len, wanted.values())), 3500 if self._setting("paid_plan") else 200
        if count == 0 or count > limit:
            raise invalid(9101, f"A batch must have between 1 and {limit} operations, this one has {count}.")
        result = {name: [step(zone, body) for body in wanted[name]] for name, step in steps.items()}
        return success(result, jobs=(self._lab.jobs.publish(zone["name"]),))

    def _find(self, zone: Json, key: Any) -> Json:
        record = self._table.get(key, zone["id"])
        if record is None:
            raise error(404, 81044, "Record does not exist.")
        return record

    def _create(self, zone: Json, body: Json) -> Json:
        now = self._lab.now()
        return self._keep(zone, {"id": uuid.uuid4().hex, "created_on": now}, body)

    def _replace(self, zone: Json, body: Json) -> Json:
        old = self._find(zone, body.get("id"))
        return self._keep(zone, {"id": old["id"], "created_on": old["created_on"]}, body)

    def _patch(self, zone: Json, body: Json) -> Json:
        old = self._find(zone, body.get("id"))
        # A new content makes the old parts void, and new parts the old content.
        kept = {
            key: old[key] for key in _WRITABLE if key in old and not {"content", "data"} & {key} & set(body)
        }
        if "content" in body:
            kept.pop("data", None)
        return self._keep(zone, {"id": old["id"], "created_on": old["created_on"]}, {**kept, **body})

    def _delete(self, zone: Json, body: Json) -> Json:
        record = self._find(zone, body.get("id"))
        self._table.delete(record["id"])
        return record

    def _keep(self, zone: Json, identity: Json, body: Json) -> Json:
        """Check a record and write it."""
        kind = str(body.get("type", "")).upper()
        record = {
            **identity,
            "name": owner(body.get("name"), zone["name"]),
            "type": kind,
            **normalise(kind, body),
            "proxiable": kind in PROXIABLE,
            "proxied": _proxied(kind, body.get("proxied")),
            "ttl": _ttl(body.get("ttl", 1)),
            "settings": mapping(body, "settings"),
            "meta": {},
            **self._notes(body),
            "modified_on": self._lab.now(),
        }
        others = [row for row in self._table.rows(zone["id"]) if row["id"] != record["id"]]
        _check_conflicts(record, others)
        self._table.put(record["id"], record, parent=zone["id"])
        return record

    def _notes(self, body: Json) -> Json:
        """Comment and tags, within the plan's quotas (developers.cloudflare.com/dns, record attributes)."""
        comment, tags = text(body, "comment") or None, array(body, "tags")
        longest, most = (500, 20) if self._setting("paid_plan") else (100, 0)
        if comment is not None and len(comment) > longest:
            raise invalid(
                9313, f"DNS record comment has {len(comment)} characters, exceeding the limit of {longest}."
            )
        if not all(isinstance(tag, str) for tag in tags):
            raise invalid(9101, "tags must be of type array of strings.")
        if len(tags) > most:
            raise error(400, 9300, f"DNS record has {len(tags)} tags, exceeding the quota of {most}.")
        notes: Json = {"comment": comment, "tags": tags}
        if comment:
            notes["comment_modified_on"] = self._lab.now()
        if tags:
            notes["tags_modified_on"] = self._lab.now()
        return notes


_WRITABLE = ("name", "type", "content", "data", "priority", "ttl", "proxied", "comment", "tags", "settings")


def _named(call: Call) -> Json:
    return {**call.body, "id": call.parameters["record"]}


def _ttl(ttl: Any) -> int:
    if isinstance(ttl, int | float) and (ttl == 1 or 60 <= ttl <= 86_400):
        return int(ttl)
    raise invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")


def _proxied(kind: str, proxied: Any) -> bool:
    if proxied and kind not in PROXIABLE:
        raise invalid(9041, "Invalid proxied mode. Record cannot be proxied.")
    return bool(proxied)


def _check_conflicts(record: Json, others: Sequence[Json]) -> None:
    """A CNAME stands alone beside addresses, and no record is there twice."""
    same_name = [row for row in others if row["name"] == record["name"]]
    kinds = {row["type"] for row in same_name}
    if any(_value(row) == _value(record) for row in same_name):
        raise error(400, 81058, "An identical record already exists.")
    if record["type"] == "CNAME" and kinds & {*_ADDRESSES, "CNAME"}:
        raise error(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
    if record["type"] in _ADDRESSES and "CNAME" in kinds:
        raise error(400, 81054, "A CNAME record with that host already exists.")


def _value(record: Json) -> tuple[Any, ...]:
    return (record["type"], _rdata(record), record.get("priority"))


def _rdata(record: Json) -> str:
    content = str(record["content"])
    return quoted(character_strings(content)) if record["type"] == "TXT" else content


def _served(record: Json) -> ResourceRecord:
    """A record in presentation format, as its zone's servers give it."""
    kind, rdata = record["type"], _rdata(record)
    if record["proxied"]:
        kind, rdata = "A", PROXY
    elif kind in _HOSTS and not rdata.endswith("."):
        rdata += "."
    if kind == "MX":
        rdata = f"{record['priority']} {rdata}"
    ttl = AUTOMATIC_TTL if record["ttl"] == 1 else record["ttl"]
    return ResourceRecord(record["name"], kind, ttl, rdata)
