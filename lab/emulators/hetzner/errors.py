"""Hetzner's error bodies (docs.hetzner.cloud, section Errors)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from lab.emulators.vendor import Reply, VendorError

STATUS: Mapping[str, int] = {
    "json_error": 400,
    "unauthorized": 401,
    "resource_limit_exceeded": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "uniqueness_error": 409,
    "conflict": 409,
    "resource_in_use": 409,
    "firewall_already_applied": 409,
    "firewall_already_removed": 409,
    "deprecated_api_endpoint": 410,
    "resource_unavailable": 412,
    "invalid_input": 422,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
    "timeout": 504,
}


def reply(code: str, message: str, details: object | None = None) -> Reply:
    """The answer that carries an error, with the correlation id that support asks for."""
    body = {"error": {"code": code, "message": message, "details": details}}
    return Reply(STATUS[code], body, {"X-Correlation-Id": uuid.uuid4().hex[:16]})


def error(code: str, message: str, details: object | None = None) -> VendorError:
    """The error, to raise."""
    return VendorError(reply(code, message, details))


def invalid(field: str, message: str) -> VendorError:
    """`invalid_input` that names the field."""
    details = {"fields": [{"name": field, "messages": [message]}]}
    return error("invalid_input", f"invalid input in field '{field}': {message}", details)


def taken(field: str, message: str) -> VendorError:
    """`uniqueness_error` that names the field."""
    return error("uniqueness_error", message, {"fields": [{"name": field}]})


def missing(kind: str, key: object) -> VendorError:
    """`not_found`."""
    return error("not_found", f"{kind} with ID '{key}' not found")
