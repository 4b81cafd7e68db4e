"""Cloudflare's envelope, its error codes and its pages.

Codes and texts are those seen in public reports of the API's answers; where none was found the validation
error 1004 carries the reason in its chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.emulators.store import Json
from lab.emulators.vendor import Call, Reply, VendorError, page


def success(
    result: Any, *, messages: Sequence[Json] = (), info: Json | None = None, jobs: Sequence[int] = ()
) -> Reply:
    """A result in its envelope."""
    body: Json = {"result": result, "success": True, "errors": [], "messages": list(messages)}
    if info is not None:
        body["result_info"] = info
    return Reply(200, body, jobs=jobs)


def failure(
    status: int, code: int, message: str, chain: Sequence[Json] = (), headers: Mapping[str, str] | None = None
) -> Reply:
    """An error in its envelope; the chain names the cause of a general error."""
    error: Json = {"code": code, "message": message}
    if chain:
        error["error_chain"] = list(chain)
    return Reply(status, {"result": None, "success": False, "errors": [error], "messages": []}, headers or {})


def error(status: int, code: int, message: str) -> VendorError:
    """The error, to raise."""
    return VendorError(failure(status, code, message))


def invalid(code: int, message: str) -> VendorError:
    """1004, a record that DNS would not take, with its reason."""
    return VendorError(failure(400, 1004, "DNS Validation Error", [{"code": code, "message": message}]))


def listed(call: Call, items: Sequence[Json], default: int, maximum: int) -> Reply:
    """A page of the items; past the end it is empty."""
    number, size = call.integer("page", 1), call.integer("per_page", default)
    if number < 1 or not 1 <= size <= maximum:
        raise error(400, 1003, f"page must be at least 1, per_page between 1 and {maximum}")
    found = list(page(items, number, size))
    info = {
        "page": number,
        "per_page": size,
        "count": len(found),
        "total_count": len(items),
        "total_pages": -(-len(items) // size),
    }
    return success(found, info=info)
