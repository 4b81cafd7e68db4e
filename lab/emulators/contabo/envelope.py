"""Contabo's answers: data always a list, links, pages; errors as `{"statusCode", "message"}`.

The list of messages is as in a report of the vendor's terraform provider (contabo/terraform-provider-contabo,
issue 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

from lab.emulators.store import Json
from lab.emulators.vendor import Call, Reply, VendorError, page

DEFAULT_SIZE = 10
MAXIMUM_SIZE = 100

OWNER: Mapping[str, str] = {"tenantId": "INT", "customerId": "14529814"}
"""What every object carries about its owner."""


def failure(status: int, message: str | Sequence[str]) -> Reply:
    """An error body. A field that is not valid is told in a list, anything else in a text."""
    return Reply(status, {"statusCode": status, "message": message})


def error(status: int, message: str) -> VendorError:
    """The error, to raise."""
    return VendorError(failure(status, message))


def invalid(message: str) -> VendorError:
    """400 about one field."""
    return VendorError(failure(400, [message]))


def missing(kind: str, key: object) -> VendorError:
    """404."""
    return error(404, f"{kind} {key} not found")


def single(call: Call, item: Json | None = None, status: int = 200) -> Reply:
    """An answer about one object, or about none but its links."""
    links = {"self": urlsplit(call.url).path}
    return Reply(status, {"_links": links} if item is None else {"data": [item], "_links": links})


def listed(call: Call, items: Sequence[Json]) -> Reply:
    """A page of the items; `orderBy=field:desc` sorts it.

    Raises:
        VendorError: 400 for a page or size out of range.
    """
    number, size = call.integer("page", 1), call.integer("size", DEFAULT_SIZE)
    if number < 1 or not 1 <= size <= MAXIMUM_SIZE:
        raise error(400, f"page must not be less than 1, size must be between 1 and {MAXIMUM_SIZE}")
    field, _, direction = call.query.get("orderBy", "").partition(":")
    if field:
        items = sorted(items, key=lambda item: str(item.get(field)), reverse=direction.lower() == "desc")
    last = max(1, -(-len(items) // size))
    path = urlsplit(call.url).path
    rest = {key: value for key, value in call.query.items() if key not in ("page", "size")}

    def link(to: int) -> str:
        return f"{path}?{urlencode({**rest, 'page': to, 'size': size})}"

    links = {"self": link(number), "first": link(1), "last": link(last)}
    if number > 1:
        links["previous"] = link(number - 1)
    if number < last:
        links["next"] = link(number + 1)
    pagination = {"size": size, "totalElements": len(items), "totalPages": last, "page": number}
    return Reply(200, {"_pagination": pagination, "data": list(page(items, number, size)), "_links": links})
