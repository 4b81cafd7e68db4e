"""Instances. An order is binding and not idempotent: every POST buys a server.

The status walks from provisioning over installing to running; the address shows once it is installed.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from lab.emulators.addresses import AddressPool
from lab.emulators.clock import timestamp
from lab.emulators.contabo.catalogue import IMAGES, PERIODS, PRODUCTS, REGIONS
from lab.emulators.contabo.envelope import OWNER, error, invalid, listed, missing, single
from lab.emulators.contabo.secret import Secrets
from lab.emulators.fields import array, text
from lab.emulators.hosts import HostNames
from lab.emulators.jobs import JobState
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

_USERS = ("root", "admin", "administrator")


class Instances:
    """The customer's instances."""

    def __init__(self, lab: Context, setting: Callable[[str], float], secrets: Secrets) -> None:
        self._lab = lab
        self._setting = setting
        self._secrets = secrets
        self._hosts = HostNames(lab.store)
        self._table = lab.store.table("contabo", "instance")
        # The first 244 are 198.18.2.x; a big fleet goes on behind them.
        networks = [f"198.18.{third}.0/24" for third in range(2, 64)]
        self._addresses = AddressPool(lab.store, "contabo", *networks)

    def operations(self) -> Sequence[Operation]:
        """Order, list, read, rename, reinstall, cancel. There is no DELETE."""
        one = "/v1/compute/instances/{id:int}"
        return (
            Operation("GET", "/v1/compute/instances", self._list),
            Operation("POST", "/v1/compute/instances", self._order),
            Operation("GET", one, lambda call: single(call, self._shown(self._get(call)))),
            Operation("PATCH", one, self._rename),
            Operation("PUT", one, self._reinstall),
            Operation("POST", f"{one}/cancel", self._cancel),
        )

    def name_of(self, key: object) -> str | None:
        """The display name (or else the name) of an instance, None if there is none."""
        row = self._table.get(key)
        return None if row is None else row["displayName"] or row["name"]

    def by_address(self, ipv4: str) -> Json | None:
        """The instance that shows this address."""
        for row in self._table.rows():
            if row["ipv4"] == ipv4 and self._status(row) not in ("provisioning", "installing"):
                return row
        return None

    def addresses(self) -> Sequence[Json]:
        """The instances that show an address."""
        return [row for row in self._table.rows() if self.by_address(row["ipv4"])]

    def change(self, row: Json) -> None:
        """Keep a changed instance."""
        self._table.put(row["instanceId"], row)

    def _list(self, call: Call) -> Reply:
        rows = [self._shown(row) for row in self._table.rows()]
        for name in ("name", "displayName", "region", "status", "instanceId"):
            if (wanted := call.query.get(name)) is not None:
                rows = [row for row in rows if str(row[name]) == wanted]
        if part := call.query.get("search"):
            rows = [row for row in rows if part in row["name"] or part in row["displayName"]]
        return listed(call, rows)

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("Instance", call.parameters["id"])
        return row

    def _order(self, call: Call) -> Reply:
        body = call.body
        period = body.get("period")
        if type(period) is not int or period not in PERIODS:
            raise invalid(f"period must be one of the following values: {', '.join(map(str, PERIODS))}")
        product = _one_of("productId", text(body, "productId", "V153"), PRODUCTS)
        region = _one_of("region", text(body, "region", "EU"), REGIONS)
        image = _image(text(body, "imageId", str(IMAGES[-1]["imageId"])))
        user = _one_of("defaultUser", text(body, "defaultUser", "admin"), _USERS)
        name = _display_name(text(body, "displayName"))
        keys = array(body, "sshKeys")
        public_keys = self._secrets.public_keys(keys)
        rows = self._table.rows()
        if len(rows) >= self._setting("instance_limit"):
            raise error(402, "The limit of instances is reached, please contact the support")
        key = self._lab.store.number("contabo.instance", 202_000_001)
        ipv4 = self._addresses.take(row["ipv4"] for row in rows)
        if ipv4 is None:
            raise error(500, "No address left")
        vmi = f"vmi{key}"
        row = {
            "instanceId": key,
            "name": vmi,
            "displayName": name,
            "productId": product,
            "region": region,
            "imageId": image["imageId"],
            "sshKeys": keys,
            "defaultUser": user,
            "period": period,
            "created": self._lab.clock.now(),
            "installed_from": self._lab.clock.now(),
            "cancelDate": None,
            "ipv4": ipv4,
            "host": self._hosts.reserve(name, vmi),
            "ptr": f"{vmi}.contaboserver.net",
        }
        row["job"] = self._boot(row, public_keys)
        self.change(row)
        order = {
            key: value
            for key, value in self._shown(row).items()
            if key
            in (
                "instanceId",
                "createdDate",
                "imageId",
                "productId",
                "region",
                "addOns",
                "osType",
                "status",
                "sshKeys",
            )
        }
        return single(call, {**OWNER, **order}, 201)

    def _boot(self, row: Json, public_keys: Sequence[str]) -> int:
        self._lab.jobs.set_ptr(row["ipv4"], row["ptr"])
        # Contabo authorises the keys for defaultUser; the lab's hosts have root alone, so for another user
        # root stays closed, as it does there.
        return self._lab.jobs.boot(
            row["host"], row["ipv4"], public_keys if row["defaultUser"] == "root" else []
        )

    def _rename(self, call: Call) -> Reply:
        row = self._get(call)
        if unknown := set(call.body) - {"displayName"}:
            raise invalid(f"property {min(unknown)} should not exist")
        row["displayName"] = _display_name(text(call.body, "displayName", str(row["displayName"])))
        self.change(row)
        return single(call, self._brief(row))

    def _reinstall(self, call: Call) -> Reply:
        row = self._get(call)
        if "imageId" not in call.body:
            raise invalid("imageId must be a string")
        row["imageId"] = _image(text(call.body, "imageId"))["imageId"]
        row["defaultUser"] = _one_of(
            "defaultUser", text(call.body, "defaultUser", str(row["defaultUser"])), _USERS
        )
        row["sshKeys"] = array(call.body, "sshKeys") or row["sshKeys"]
        public_keys = self._secrets.public_keys(row["sshKeys"])
        self._lab.jobs.destroy(row["host"])
        row["installed_from"] = self._lab.clock.now() - self._setting("provisioning_seconds")
        row["job"] = self._boot(row, public_keys)
        self.change(row)
        return single(call, self._brief(row))

    def _cancel(self, call: Call) -> Reply:
        row = self._get(call)
        if row["cancelDate"]:
            raise error(409, f"Instance {row['instanceId']} is already cancelled")
        row["cancelDate"] = text(
            call.body, "cancelDate", term_end(row["created"], row["period"], self._lab.clock.now())
        )[:10]
        self.change(row)
        return single(call, {**OWNER, "instanceId": row["instanceId"], "cancelDate": row["cancelDate"]}, 201)

    def _status(self, row: Json) -> str:
        job = self._lab.jobs.state(row["job"])
        passed = self._lab.clock.now() - row["installed_from"]
        if job is JobState.FAILED:
            return "error"
        if passed < self._setting("provisioning_seconds"):
            return "provisioning"
        if job is JobState.PENDING or passed < self._setting("provisioning_seconds") + self._setting(
            "installing_seconds"
        ):
            return "installing"
        return "running"

    def _brief(self, row: Json) -> Json:
        return {**OWNER, "instanceId": row["instanceId"], "createdDate": timestamp(row["created"])}

    def _shown(self, row: Json) -> Json:
        product, status = PRODUCTS[row["productId"]], self._status(row)
        visible = status not in ("provisioning", "installing")
        return {
            **self._brief(row),
            "additionalIps": [],
            "name": row["name"],
            "displayName": row["displayName"],
            "dataCenter": "European Union 3" if row["region"] == "EU" else f"{REGIONS[row['region']]} 1",
            "region": row["region"],
            "regionName": REGIONS[row["region"]],
            "productId": row["productId"],
            "imageId": row["imageId"],
            "ipConfig": _ip_config(row["ipv4"] if visible else ""),
            "macAddress": f"00:50:56:{row['instanceId'] % 2**24:06x}" if visible else "",
            "ramMb": product.memory,
            "cpuCores": product.cores,
            "osType": "Linux",
            "diskMb": product.disk,
            "sshKeys": row["sshKeys"],
            "cancelDate": row["cancelDate"] or "",
            "status": status,
            "vHostId": 11000 if visible else 0,
            "vHostNumber": 11000 if visible else 0,
            "vHostName": "m11000" if visible else "",
            "addOns": [],
            "errorMessage": "Provisioning failed, please contact the support" if status == "error" else "",
            "productType": product.kind,
            "productName": product.name,
            "defaultUser": row["defaultUser"],
        }


def _ip_config(ipv4: str) -> Json:
    """Addresses of an instance; empty strings and zeros until it is installed."""
    v4 = {"ip": ipv4, "gateway": "198.18.0.1" if ipv4 else "", "netmaskCidr": 15 if ipv4 else 0}
    return {"v4": v4, "v6": {"ip": "", "gateway": "", "netmaskCidr": 0}}


def _one_of(field: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise invalid(f"{field} must be one of the following values: {', '.join(known)}")
    return value


def _image(key: str) -> Json:
    for image in IMAGES:
        if image["imageId"] == key:
            return image
    raise missing("Image", key)


def _display_name(name: str) -> str:
    if len(name) > 255:
        raise invalid("displayName must be shorter than or equal to 255 characters")
    return name


def term_end(created: float, months: int, now: float) -> str:
    """The last day of the running contract term: cancelled instances are paid to its end."""
    start = datetime.fromtimestamp(created, UTC)
    count = 0
    while True:
        count += months
        year, month = divmod(start.year * 12 + start.month - 1 + count, 12)
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        end = start.replace(year=year, month=month + 1, day=day)
        if end.timestamp() > now:
            return end.date().isoformat()
