"""Servers and their primary IPs: creating one boots a host of the lab, deleting it destroys the host."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from lab.emulators.addresses import AddressPool
from lab.emulators.fields import array, mapping, objects, text
from lab.emulators.hetzner.actions import Actions
from lab.emulators.hetzner.catalogue import IMAGES, LOCATIONS, SERVER_TYPES
from lab.emulators.hetzner.errors import error, invalid, missing, taken
from lab.emulators.hetzner.firewalls import Firewalls
from lab.emulators.hetzner.keys import Keys
from lab.emulators.hetzner.labels import checked
from lab.emulators.hetzner.listing import listed
from lab.emulators.hosts import HostNames
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

_HOSTNAME = re.compile(
    r"(?=.{1,253}$)([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
_KNOWN = {
    "name", "server_type", "image", "location", "ssh_keys", "firewalls", "networks", "volumes", "labels",
    "public_net", "user_data", "start_after_create", "automount", "placement_group",
}  # fmt: skip


def default_ptr(ipv4: str) -> str:
    """The PTR an address has until someone sets another one."""
    return f"static.{'.'.join(reversed(ipv4.split('.')))}.clients.your-server.de"


class Servers:
    """The project's servers."""

    def __init__(
        self,
        lab: Context,
        setting: Callable[[str], float],
        actions: Actions,
        keys: Keys,
        firewalls: Firewalls,
    ) -> None:
        self._lab = lab
        self._setting = setting
        self._actions = actions
        self._keys = keys
        self._firewalls = firewalls
        self._table = lab.store.table("hetzner", "server")
        self._hosts = HostNames(lab.store)
        self._addresses = AddressPool(lab.store, "hetzner", "198.18.1.0/24")

    def operations(self) -> Sequence[Operation]:
        """CRUD of `/servers`, its action change_dns_ptr, and `/primary_ips` to read."""
        one = "/v1/servers/{id:int}"
        return (
            Operation("GET", "/v1/servers", self._list),
            Operation("POST", "/v1/servers", self._create),
            Operation("GET", one, lambda call: Reply(200, {"server": self._shown(self._get(call))})),
            Operation("PUT", one, self._update),
            Operation("DELETE", one, self._delete),
            Operation("POST", f"{one}/actions/change_dns_ptr", self._change_ptr),
            Operation("GET", "/v1/primary_ips", self._list_addresses),
            Operation("GET", "/v1/primary_ips/{id:int}", self._get_address),
        )

    def _list(self, call: Call) -> Reply:
        return listed(call, "servers", [self._shown(row) for row in self._table.rows()], ("name", "status"))

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("server", call.parameters["id"])
        return row

    def _create(self, call: Call) -> Reply:
        row = self._ordered(call.body)
        key, ipv4 = row["id"], row["ipv4"]
        keys = [self._keys.find(reference) for reference in array(call.body, "ssh_keys")]
        self._table.put(key, row)
        self._firewalls.apply(objects(call.body, "firewalls"), key)
        self._lab.jobs.set_ptr(ipv4, row["ptr"])
        job = self._lab.jobs.boot(row["host"], ipv4, [item["public_key"] for item in keys])
        seconds = self._setting("create_seconds")
        action = self._actions.begin("create_server", [("server", key)], seconds=seconds, job=job)
        start = self._actions.begin("start_server", [("server", key)], seconds=seconds, job=job)
        body = {
            "server": self._shown(row),
            "action": action,
            "next_actions": [start],
            # Only without keys does Hetzner make a password; the lab's hosts know none.
            "root_password": None if keys else "YItygq1v3GYjjMomLaKc",
        }
        return Reply(201, body)

    def _ordered(self, body: Json) -> Json:
        """The new server's row, its order checked."""
        if unknown := set(body) - _KNOWN:
            field = min(unknown)
            raise invalid(field, "unknown field")
        name = self._name(body.get("name"))
        kind = _choose("server_type", body.get("server_type"), SERVER_TYPES)
        image = _choose(
            "image", body.get("image"), [i for i in IMAGES if i["architecture"] == kind["architecture"]]
        )
        location = _choose("location", body.get("location") or "fsn1", LOCATIONS)
        if len(text(body, "user_data")) > 32 * 1024:
            raise invalid("user_data", "is too long (maximum is 32 KiB)")
        public_net = mapping(body, "public_net")
        if public_net.get("enable_ipv4") is False:
            raise invalid("public_net", "the lab boots servers with an IPv4 address only")
        labels = checked(mapping(body, "labels"))
        if len(self._table.rows()) >= self._setting("server_limit"):
            raise error(
                "resource_limit_exceeded", "server limit exceeded", {"limits": [{"name": "server_limit"}]}
            )
        ipv4 = self._addresses.take(row["ipv4"] for row in self._table.rows())
        if ipv4 is None:
            raise error("resource_unavailable", "error during placement")
        key = self._lab.store.number("hetzner.server", 50_000_001)
        return {
            "id": key,
            "name": name,
            "host": self._hosts.reserve(name, f"server-{key}"),
            "created": self._lab.now(),
            "server_type": kind,
            "image": image,
            "location": location,
            "labels": labels,
            "ipv4": ipv4,
            "ipv4_id": self._lab.store.number("hetzner.primary_ip", 70_000_001),
            "ptr": default_ptr(ipv4),
        }

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not _HOSTNAME.fullmatch(name):
            raise invalid("name", "must be a valid hostname")
        if any(row["name"] == name for row in self._table.rows()):
            raise taken("name", "server name is already used")
        return name

    def _update(self, call: Call) -> Reply:
        row = self._get(call)
        if "name" in call.body and call.body["name"] != row["name"]:
            row["name"] = self._name(call.body["name"])
        if "labels" in call.body:
            row["labels"] = checked(call.body["labels"])
        self._table.put(row["id"], row)
        return Reply(200, {"server": self._shown(row)})

    def _delete(self, call: Call) -> Reply:
        row = self._unlocked(call)
        self._table.delete(row["id"])
        self._firewalls.forget(row["id"])
        self._lab.jobs.set_ptr(row["ipv4"], None)
        self._hosts.release(row["host"])
        job = self._lab.jobs.destroy(row["host"])
        seconds = self._setting("action_seconds")
        return Reply(
            200,
            {
                "action": self._actions.begin(
                    "delete_server", [("server", row["id"])], seconds=seconds, job=job
                )
            },
        )

    def _change_ptr(self, call: Call) -> Reply:
        row = self._unlocked(call)
        if call.body.get("ip") != row["ipv4"]:
            raise error("not_found", f"IP {call.body.get('ip')} not found on server {row['id']}")
        if "dns_ptr" not in call.body:
            raise invalid("dns_ptr", "is required")
        name = call.body["dns_ptr"]
        if name is not None and not (isinstance(name, str) and _HOSTNAME.fullmatch(name)):
            raise invalid("dns_ptr", "must be a valid hostname")
        row["ptr"] = name or default_ptr(row["ipv4"])
        self._table.put(row["id"], row)
        job = self._lab.jobs.set_ptr(row["ipv4"], row["ptr"])
        seconds = self._setting("action_seconds")
        action = self._actions.begin("change_dns_ptr", [("server", row["id"])], seconds=seconds, job=job)
        return Reply(201, {"action": action})

    def _unlocked(self, call: Call) -> Json:
        row = self._get(call)
        if self._busy(row):
            raise error("locked", "server is locked")
        return row

    def _busy(self, row: Json) -> bool:
        return self._actions.running("server", row["id"], ("create_server",))

    def _shown(self, row: Json) -> Json:
        busy = self._busy(row)
        return {
            "id": row["id"],
            "name": row["name"],
            "status": "initializing" if busy else "running",
            "created": row["created"],
            "public_net": {
                "ipv4": {"id": row["ipv4_id"], "ip": row["ipv4"], "blocked": False, "dns_ptr": row["ptr"]},
                "ipv6": None,
                "floating_ips": [],
                "firewalls": self._firewalls.applied_to(row),
            },
            "private_net": [],
            "server_type": row["server_type"],
            "location": row["location"],
            "image": row["image"],
            "iso": None,
            "rescue_enabled": False,
            "locked": busy,
            "backup_window": None,
            "outgoing_traffic": 0,
            "ingoing_traffic": 0,
            "included_traffic": 20 * 1024**4,
            "protection": {"delete": False, "rebuild": False},
            "labels": row["labels"],
            "volumes": [],
            "load_balancers": [],
            "primary_disk_size": row["server_type"]["disk"],
            "placement_group": None,
        }

    def _list_addresses(self, call: Call) -> Reply:
        rows = [_address(row) for row in self._table.rows()]
        return listed(call, "primary_ips", rows, ("name", "ip"))

    def _get_address(self, call: Call) -> Reply:
        for row in self._table.rows():
            if str(row["ipv4_id"]) == str(call.parameters["id"]):
                return Reply(200, {"primary_ip": _address(row)})
        raise missing("primary IP", call.parameters["id"])


def _address(row: Json) -> Json:
    """The primary IP that was made with a server."""
    return {
        "id": row["ipv4_id"],
        "name": f"primary_ip-{row['ipv4_id']}",
        "type": "ipv4",
        "ip": row["ipv4"],
        "dns_ptr": [{"ip": row["ipv4"], "dns_ptr": row["ptr"]}],
        "location": row["location"],
        "blocked": False,
        "protection": {"delete": False},
        "labels": {},
        "created": row["created"],
        "assignee_id": row["id"],
        "assignee_type": "server",
        "auto_delete": True,
    }


def _choose(field: str, wanted: Any, items: Sequence[Json]) -> Json:
    """An object of the catalogue by id or name."""
    if wanted is None:
        raise invalid(field, "is required")
    for item in items:
        if wanted in (item["id"], str(item["id"]), item["name"]):
            return item
    raise invalid(field, f"{field} {wanted} not found")
