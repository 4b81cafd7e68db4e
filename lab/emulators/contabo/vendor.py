"""The Contabo customer behind one set of API credentials."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.emulators.contabo.catalogue import IMAGES
from lab.emulators.contabo.envelope import error, failure, invalid, listed, missing, single
from lab.emulators.contabo.instances import Instances
from lab.emulators.contabo.ptrs import Ptrs
from lab.emulators.contabo.secret import Secrets
from lab.emulators.contabo.tags import Tags
from lab.emulators.fields import WrongTypeError
from lab.emulators.ratelimit import Allowance, Bucket
from lab.emulators.vendor import Call, Context, Operation, Reply, Vendor

TOKEN_PATH = "/auth/realms/contabo/protocol/openid-connect/token"  # noqa: S105 -- a path, no token
_TOKEN_SECONDS = 300

_MESSAGES = {
    400: "Unexpected token in JSON",
    401: "Unauthorized",
    404: "Cannot be found",
    405: "Method Not Allowed",
    429: "ThrottlerException: Too Many Requests",
    500: "Internal server error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True)
class Credentials:
    """What the customer panel shows under API details."""

    client_id: str
    client_secret: str
    user: str
    password: str


class Contabo(Vendor):
    """Contabo: token endpoint, instances, images, secrets, tags and PTRs.

    The vendor documents a 429 but no figures; the limit here is 300 requests at once, refilled by 5 a second.
    """

    name = "contabo"
    settings: ClassVar[Mapping[str, float]] = {
        "provisioning_seconds": 1.0,
        "installing_seconds": 1.0,
        "instance_limit": 1000,
    }

    def __init__(self, lab: Context, credentials: Credentials) -> None:
        super().__init__(lab, Bucket(300, 60))
        self._credentials = credentials
        self._tokens = self.table("token")
        secrets = Secrets(lab)
        instances = Instances(lab, self.setting, secrets)
        self._parts = (instances, secrets, Tags(lab, instances), Ptrs(lab, instances))

    def operations(self) -> Sequence[Operation]:
        """See :meth:`Vendor.operations`."""
        found = [operation for part in self._parts for operation in part.operations()]
        found += [
            Operation("POST", TOKEN_PATH, self._grant, public=True),
            Operation("GET", "/v1/compute/images", self._list_images),
            Operation("GET", "/v1/compute/images/{id}", self._get_image),
        ]
        return found

    def authorise(self, call: Call) -> None:
        """See :meth:`Vendor.authorise`; also the mandatory x-request-id (a UUIDv4) is looked at."""
        token = self._tokens.get(call.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token["expires"] <= self.lab.clock.now():
            raise error(401, "Unauthorized")
        try:
            uuid.UUID(call.headers.get("x-request-id", ""))
        except ValueError:
            raise error(400, "x-request-id header is missing or is no valid UUID") from None

    def failure(self, status: int, retry_after: int = 1) -> Reply:
        """See :meth:`Vendor.failure`."""
        reply = failure(status, _MESSAGES.get(status, "Internal server error"))
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        return Reply(reply.status, reply.body, headers)

    def wrong_type(self, error: WrongTypeError) -> Reply:
        """See :meth:`Vendor.wrong_type`."""
        return invalid(f"{error.name} must be of type {error.expected}").reply

    def limit_headers(self, allowance: Allowance) -> Mapping[str, str]:
        """See :meth:`Vendor.limit_headers`."""
        return {
            "X-RateLimit-Limit": str(allowance.limit),
            "X-RateLimit-Remaining": str(allowance.remaining),
            "X-RateLimit-Reset": str(int(allowance.reset)),
        }

    def _grant(self, call: Call) -> Reply:
        """The resource owner password grant (RFC 6749 section 4.3) as Keycloak answers it."""
        form, known = call.form, self._credentials
        if form.get("grant_type") != "password":
            return _refusal(400, "unsupported_grant_type", "Unsupported grant_type")
        if missing_fields := [name for name in ("client_id", "username", "password") if not form.get(name)]:
            return _refusal(400, "invalid_request", f"Missing form parameter: {missing_fields[0]}")
        if not _same(form["client_id"], known.client_id) or not _same(
            form.get("client_secret", ""), known.client_secret
        ):
            return _refusal(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        if not _same(form["username"], known.user) or not _same(form["password"], known.password):
            return _refusal(401, "invalid_grant", "Invalid user credentials")
        token, now = uuid.uuid4().hex, self.lab.clock.now()
        for row in self._tokens.rows():
            if row["expires"] <= now:
                self._tokens.delete(row["token"])
        self._tokens.put(token, {"token": token, "expires": now + _TOKEN_SECONDS})
        body = {
            "access_token": token,
            "expires_in": _TOKEN_SECONDS,
            "refresh_expires_in": 1800,
            "refresh_token": uuid.uuid4().hex,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": str(uuid.uuid4()),
            "scope": "profile email",
        }
        return Reply(200, body, {"Cache-Control": "no-store"})

    def _list_images(self, call: Call) -> Reply:
        name, standard = call.query.get("name"), call.query.get("standardImage")
        return listed(
            call,
            [
                image
                for image in IMAGES
                if name in (None, image["name"]) and standard in (None, str(image["standardImage"]).lower())
            ],
        )

    def _get_image(self, call: Call) -> Reply:
        for image in IMAGES:
            if image["imageId"] == call.parameters["id"]:
                return single(call, image)
        raise missing("Image", call.parameters["id"])


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _refusal(status: int, code: str, description: str) -> Reply:
    return Reply(status, {"error": code, "error_description": description})
