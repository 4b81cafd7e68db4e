"""Cloudflare behind one API token that is for one account."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lab.emulators.cloudflare.envelope import error, failure, invalid, success
from lab.emulators.cloudflare.records import Records
from lab.emulators.cloudflare.zones import Zones
from lab.emulators.fields import WrongTypeError
from lab.emulators.ratelimit import Allowance, Window
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply, Vendor, VendorError

_VERIFY = "/client/v4/user/tokens/verify"

_ERRORS = {
    400: (6007, "Malformed JSON in request body"),
    401: (9109, "Invalid access token"),
    404: (7000, "No route for that URI"),
    405: (10405, "Method not allowed for this authentication scheme"),
    429: (971, "Please wait and consider throttling your request speed"),
}


class Cloudflare(Vendor):
    """Cloudflare: zones, DNS records, token verification.

    The rate limit is 1,200 requests in five minutes and token, then all calls are blocked to the end of the
    five minutes (developers.cloudflare.com/fundamentals/api/reference/limits). The second limit, 200 a second
    and address, is not emulated.
    """

    name = "cloudflare"
    settings: ClassVar[Mapping[str, float]] = {"activation_seconds": 2.0, "paid_plan": 0}

    def __init__(self, lab: Context, token: str, account: str) -> None:
        super().__init__(lab, Window(1200, 300))
        self._token = token
        self._zones = Zones(lab, self.setting, account)
        self._records = Records(lab, self.setting, self._zones)

    def operations(self) -> Sequence[Operation]:
        """See :meth:`Vendor.operations`."""
        verify = Operation("GET", _VERIFY, _verified)
        return (*self._zones.operations(), *self._records.operations(), verify)

    def authorise(self, call: Call) -> None:
        """See :meth:`Vendor.authorise`."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token or " " in token:
            chain = [{"code": 6111, "message": "Invalid format for Authorization header"}]
            raise VendorError(failure(400, 6003, "Invalid request headers", chain))
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            if call.url.endswith(_VERIFY):
                raise error(401, 1000, "Invalid API Token")
            raise error(403, 9109, "Invalid access token")

    def failure(self, status: int, retry_after: int = 1) -> Reply:
        """See :meth:`Vendor.failure`; an expired token is a 403 like any invalid one."""
        code, message = _ERRORS.get(status, (10000, "Internal server error"))
        headers = {"retry-after": str(retry_after)} if status == 429 else {}
        return failure(403 if status == 401 else status, code, message, headers=headers)

    def wrong_type(self, error: WrongTypeError) -> Reply:
        """See :meth:`Vendor.wrong_type`."""
        return invalid(9101, f"{error.name} must be of type {error.expected}.").reply

    def limit_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """See :meth:`Vendor.limit_headers` (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "Ratelimit": f'"default";r={allowance.remaining};t={int(allowance.reset)}',
            "Ratelimit-Policy": f'"default";q={allowance.limit};w={int(allowance.seconds)}',
        }

    def control(self) -> Mapping[str, Callable[[Json], Any]]:
        """See :meth:`Vendor.control`."""
        return {"zones": self._zones.seed}


def _verified(_call: Call) -> Reply:
    message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
    return success({"id": "ed17574386854bf78a67040be0a770b0", "status": "active"}, messages=[message])
