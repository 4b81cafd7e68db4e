"""Records as Cloudflare's API spells them, and back: a pair, so that a round trip changes nothing."""

from __future__ import annotations

from typing import Any

from cloudflare.types.dns import RecordResponse

from deploys.dns.spelling import auto_ttl, dotless, quoted, unquoted
from deploys.plan import Fields
from deploys.world import Record


def to_wire(fields: Fields, comment: str) -> dict[str, Any]:
    """The fields of a record's change as the API takes them.

    Args:
        fields: `name`, `type`, `value` and `ttl`, without holes.
        comment: the mark of what is ours.
    """
    kind, value = str(fields["type"]), str(fields["value"])
    wire: dict[str, Any] = {"name": fields["name"], "type": kind, "ttl": fields["ttl"], "comment": comment}
    if kind == "MX":
        priority, target = value.split(" ", 1)
        return {**wire, "priority": int(priority), "content": target}
    if kind == "CAA":
        flags, tag, authority = value.split(" ", 2)
        return {**wire, "data": {"flags": int(flags), "tag": tag, "value": authority.strip('"')}}
    if kind == "TXT":
        return {**wire, "content": quoted(value)}
    return {**wire, "content": value, "proxied": False}


def from_wire(zone: str, record: RecordResponse) -> Record:
    """A record as read, in our one spelling."""
    return Record(zone, dotless(record.name), record.type, _value(record), auto_ttl(record.ttl or 1))


def _value(record: RecordResponse) -> str:
    content = record.content or ""
    if record.type == "TXT":
        return unquoted(content)
    if record.type == "MX":
        return f"{int(record.priority or 0)} {dotless(content)}"
    if record.type == "CAA":
        flags, tag, authority = content.split(None, 2)
        return f'{flags} {tag} "{authority.strip(chr(34))}"'
    if record.type in ("CNAME", "NS", "PTR"):
        return dotless(content)
    # A proxied address is not the one that resolvers see, so it is not equal to the plain one.
    return f"{content} proxied" if record.proxied else content
