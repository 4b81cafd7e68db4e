"""Zones of the token's account; those of other accounts exist, but are neither listed nor open."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from lab.emulators.clock import timestamp
from lab.emulators.cloudflare.content import ascii_name, is_hostname
from lab.emulators.cloudflare.envelope import error, listed, success
from lab.emulators.fields import mapping
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

NAME_SERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")


class Zones:
    """`/zones`."""

    def __init__(self, lab: Context, setting: Callable[[str], float], account: str) -> None:
        self._lab = lab
        self._setting = setting
        self._account = account
        self._table = lab.store.table("cloudflare", "zone")
        self._records = lab.store.table("cloudflare", "record")

    def operations(self) -> Sequence[Operation]:
        """List, create, read, delete."""
        one = "/client/v4/zones/{zone}"
        return (
            Operation("GET", "/client/v4/zones", self._list),
            Operation("POST", "/client/v4/zones", self._create),
            Operation("GET", one, lambda call: success(self._shown(self.get(call)))),
            Operation("DELETE", one, self._delete),
        )

    def get(self, call: Call) -> Json:
        """The zone the path names.

        Raises:
            VendorError: there is none, or it belongs to another account.
        """
        zone = self._table.get(call.parameters["zone"])
        if zone is None:
            raise error(404, 1001, "Invalid zone identifier")
        if zone["account"] != self._account:
            raise error(403, 9109, "Unauthorized to access requested resource")
        return zone

    def by_name(self, name: str) -> Json | None:
        """The account's zone of this name."""
        for zone in self._table.rows():
            if zone["name"] == name and zone["account"] == self._account:
                return zone
        return None

    def seed(self, body: Json) -> Json:
        """For `/_lab/zones`: a zone `name` that belongs to another `account`."""
        return self._shown(self._make(ascii_name(body["name"]), body["account"]))

    def _list(self, call: Call) -> Reply:
        zones = [self._shown(zone) for zone in self._table.rows() if zone["account"] == self._account]
        for parameter, value in call.query.multi_items():
            if parameter in ("name", "account.id", "account.name", "status"):
                zones = [zone for zone in zones if _matches(_field(zone, parameter), value.lower())]
        order = call.query.get("order")
        if order:
            zones.sort(
                key=lambda zone: str(_field(zone, order)), reverse=call.query.get("direction") == "desc"
            )
        return listed(call, zones, 20, 50)

    def _create(self, call: Call) -> Reply:
        name = _zone_name(call.body.get("name"))
        account = mapping(call.body, "account").get("id")
        if account is None:
            raise error(400, 1068, "Permission denied")
        if account != self._account:
            permission = "com.cloudflare.api.account.zone.create"
            raise error(
                403, 0, f'Requires permission "{permission}" to create zones for the selected account'
            )
        if call.body.get("type", "full") != "full":
            raise error(400, 1104, "Partial zone signup not allowed")
        # Also one of another account: Cloudflare tells no more about it than that it exists.
        if any(zone["name"] == name for zone in self._table.rows()):
            raise error(400, 1061, f"{name} already exists")
        zone = self._make(name, account)
        return success(self._shown(zone), jobs=(self._lab.jobs.publish(name),))

    def _make(self, name: str, account: str) -> Json:
        zone = {"id": uuid.uuid4().hex, "name": name, "account": account, "created": self._lab.clock.now()}
        self._table.put(zone["id"], zone)
        return zone

    def _delete(self, call: Call) -> Reply:
        zone = self.get(call)
        for record in self._records.rows(zone["id"]):
            self._records.delete(record["id"])
        self._table.delete(zone["id"])
        return success({"id": zone["id"]}, jobs=(self._lab.jobs.publish(zone["name"]),))

    def _shown(self, zone: Json) -> Json:
        active = self._lab.clock.now() >= zone["created"] + self._setting("activation_seconds")
        created = timestamp(zone["created"])
        return {
            "id": zone["id"],
            "name": zone["name"],
            "status": "active" if active else "pending",
            "paused": False,
            "type": "full",
            "development_mode": 0,
            "name_servers": list(NAME_SERVERS),
            "original_name_servers": None,
            "original_registrar": None,
            "original_dnshost": None,
            "modified_on": created,
            "created_on": created,
            "activated_on": timestamp(zone["created"] + self._setting("activation_seconds"))
            if active
            else None,
            "meta": {
                "step": 2,
                "custom_certificate_quota": 0,
                "page_rule_quota": 3,
                "phishing_detected": False,
            },
            "owner": {"id": None, "type": "user", "email": None},
            "account": {"id": zone["account"], "name": "Lab"},
            "tenant": {"id": None, "name": None},
            "tenant_unit": {"id": None},
            "permissions": ["#dns_records:edit", "#dns_records:read", "#zone:edit", "#zone:read"],
            "plan": {
                "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
                "name": "Free Website",
                "price": 0,
                "currency": "USD",
                "frequency": "",
                "is_subscribed": False,
                "can_subscribe": False,
                "legacy_id": "free",
                "legacy_discount": False,
                "externally_managed": False,
            },
        }


def _field(zone: Json, parameter: str) -> str:
    value: Any = zone
    for part in parameter.split("."):
        value = value[part]
    return str(value).lower()


def _matches(value: str, wanted: str) -> bool:
    """A filter of zone lists: a value, or an operator before it, as in `contains:berg`."""
    operator, colon, rest = wanted.partition(":")
    tests = {
        "equal": value == rest,
        "not_equal": value != rest,
        "starts_with": value.startswith(rest),
        "ends_with": value.endswith(rest),
        "contains": rest in value,
        "starts_with_case_sensitive": value.startswith(rest),
        "ends_with_case_sensitive": value.endswith(rest),
        "contains_case_sensitive": rest in value,
    }
    return tests.get(operator, value == wanted) if colon else value == wanted


def _zone_name(name: Any) -> str:
    """A registered domain's name.

    Raises:
        VendorError: 1099 for a host or subdomain; the lab's top level `example` registers second levels only.
    """
    found = ascii_name(name) if isinstance(name, str) else ""
    labels = found.split(".")
    if not is_hostname(found) or len(labels) < 2 or (labels[-1] == "example" and len(labels) > 2):
        raise error(
            400,
            1099,
            f"We were unable to identify {found} as a registered domain. Please ensure you are providing the"
            " root domain and not any subdomains (e.g., example.com, not subdomain.example.com)",
        )
    return found
