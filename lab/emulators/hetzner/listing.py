"""Lists as Hetzner pages them (docs.hetzner.cloud, section Pagination)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from lab.emulators.hetzner.errors import invalid
from lab.emulators.hetzner.labels import selector
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Reply, page

DEFAULT_SIZE = 25
MAXIMUM_SIZE = 50


def listed(call: Call, key: str, items: Iterable[Json], filters: Sequence[str] = ()) -> Reply:
    """A page of the items that pass the query's filters.

    Args:
        call: the request.
        key: the list's name in the answer.
        items: all objects.
        filters: fields the query may name, several values being alternatives; `label_selector` always counts.
    """
    found = sorted(
        (item for item in items if all(_passes(call, item, name) for name in filters)),
        key=lambda item: item["id"],
    )
    if text := call.query.get("label_selector"):
        chosen = selector(text)
        found = [item for item in found if chosen(item.get("labels", {}))]
    field, _, direction = call.query.get("sort", "id:asc").partition(":")
    found.sort(
        key=lambda item: str(item.get(field, "")) if field != "id" else item["id"],
        reverse=direction == "desc",
    )
    number, size = call.integer("page", 1), call.integer("per_page", DEFAULT_SIZE)
    if number < 1:
        raise invalid("page", "must be greater than or equal to 1")
    if not 1 <= size <= MAXIMUM_SIZE:
        raise invalid("per_page", f"must be between 1 and {MAXIMUM_SIZE}")
    last = max(1, -(-len(found) // size))
    pagination = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(found),
    }
    body = {key: list(page(found, number, size)), "meta": {"pagination": pagination}}
    return Reply(200, body, {"Link": _links(call, size, pagination)})


def _passes(call: Call, item: Json, name: str) -> bool:
    wanted = call.query.getlist(name)
    return not wanted or str(item.get(name)) in wanted


def _links(call: Call, size: int, pagination: Json) -> str:
    pages = (("prev", "previous_page"), ("next", "next_page"), ("last", "last_page"))
    return ", ".join(
        f'<{call.url}?{urlencode({"page": pagination[key], "per_page": size})}>; rel="{relation}"'
        for relation, key in pages
        if pagination[key] is not None
    )
