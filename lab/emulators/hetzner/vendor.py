"""The Hetzner Cloud project behind one token."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from lab.emulators.fields import WrongTypeError
from lab.emulators.hetzner import errors
from lab.emulators.hetzner.actions import Actions
from lab.emulators.hetzner.catalogue import IMAGES, LOCATIONS, SERVER_TYPES, pricing
from lab.emulators.hetzner.firewalls import Firewalls
from lab.emulators.hetzner.keys import Keys
from lab.emulators.hetzner.listing import listed
from lab.emulators.hetzner.servers import Servers
from lab.emulators.ratelimit import Allowance, Bucket
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply, Vendor

_CODES = {
    400: ("json_error", "invalid JSON input"),
    401: ("unauthorized", "unable to authenticate"),
    404: ("not_found", "path not found"),
    405: ("method_not_allowed", "method not allowed"),
    429: ("rate_limit_exceeded", "limit of 3600 requests per hour reached"),
    502: ("bad_gateway", "bad gateway"),
    503: ("unavailable", "service is currently not available"),
    504: ("timeout", "the request could not be answered in time, please retry"),
}


class Hetzner(Vendor):
    """Hetzner Cloud: servers, SSH keys, firewalls, primary IPs, actions, catalogue and prices.

    The rate limit is 3,600 requests an hour and project, refilled by one a second
    (docs.hetzner.cloud, section Rate Limiting).
    """

    name = "hetzner"
    settings: ClassVar[Mapping[str, float]] = {
        "create_seconds": 1.0,
        "action_seconds": 0.2,
        "server_limit": 100,
    }

    def __init__(self, lab: Context, token: str) -> None:
        super().__init__(lab, Bucket(3600, 3600))
        self._token = token
        actions = Actions(lab)
        keys, firewalls = Keys(lab), Firewalls(lab, actions)
        self._parts = (Servers(lab, self.setting, actions, keys, firewalls), keys, firewalls, actions)

    def operations(self) -> Sequence[Operation]:
        """See :meth:`Vendor.operations`."""
        found = [operation for part in self._parts for operation in part.operations()]
        catalogue = (
            ("locations", "location", LOCATIONS, ("name",)),
            ("server_types", "server_type", SERVER_TYPES, ("name",)),
            ("images", "image", IMAGES, ("name", "type", "architecture", "status")),
        )
        for path, key, items, filters in catalogue:
            found.append(Operation("GET", f"/v1/{path}", _lister(path, items, filters)))
            found.append(Operation("GET", f"/v1/{path}/{{id:int}}", _getter(key, items)))
        found.append(Operation("GET", "/v1/pricing", lambda _call: Reply(200, {"pricing": pricing()})))
        found += [Operation("GET", f"/v1/datacenters{rest}", _gone) for rest in ("", "/{id:int}")]
        return found

    def authorise(self, call: Call) -> None:
        """See :meth:`Vendor.authorise`."""
        given = call.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            raise errors.error("unauthorized", "unable to authenticate")

    def failure(self, status: int, retry_after: int = 1) -> Reply:  # noqa: ARG002 -- Hetzner sends no Retry-After
        """See :meth:`Vendor.failure`. Clients read RateLimit-Reset instead of a Retry-After."""
        code, message = _CODES.get(status, ("server_error", "error within the API backend"))
        return errors.reply(code, message)

    def wrong_type(self, error: WrongTypeError) -> Reply:
        """See :meth:`Vendor.wrong_type`."""
        return errors.invalid(error.name, f"must be of type {error.expected}").reply

    def limit_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """See :meth:`Vendor.limit_headers`; the reset is the moment at which the bucket is full."""
        return {
            "RateLimit-Limit": str(allowance.limit),
            "RateLimit-Remaining": str(allowance.remaining),
            "RateLimit-Reset": str(int(self.lab.clock.now() + allowance.reset)),
            "X-Correlation-Id": uuid.uuid4().hex[:16],
        }


def _lister(key: str, items: Sequence[Json], filters: Sequence[str]) -> Callable[[Call], Reply]:
    return lambda call: listed(call, key, items, filters)


def _getter(key: str, items: Sequence[Json]) -> Callable[[Call], Reply]:
    def get(call: Call) -> Reply:
        for item in items:
            if str(item["id"]) == str(call.parameters["id"]):
                return Reply(200, {key: item})
        raise errors.missing(key, call.parameters["id"])

    return get


def _gone(_call: Call) -> Reply:
    announcement = "https://docs.hetzner.cloud/changelog#2026-06-02-datacenters-deprecated"
    return errors.reply(
        "deprecated_api_endpoint", "API functionality was removed", {"announcement": announcement}
    )
