"""Firewalls: rules, the servers they are applied to by id or by label selector."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from lab.emulators.fields import array, mapping
from lab.emulators.hetzner.actions import Actions
from lab.emulators.hetzner.errors import error, invalid, missing, taken
from lab.emulators.hetzner.labels import checked, selector
from lab.emulators.hetzner.listing import listed
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

_PROTOCOLS = ("tcp", "udp", "icmp", "esp", "gre")


class Firewalls:
    """The project's firewalls. They are records only: the lab's hosts have their own packet filter."""

    def __init__(self, lab: Context, actions: Actions) -> None:
        self._lab = lab
        self._actions = actions
        self._table = lab.store.table("hetzner", "firewall")
        self._servers = lab.store.table("hetzner", "server")

    def operations(self) -> Sequence[Operation]:
        """CRUD of `/firewalls` and its three actions."""
        one = "/v1/firewalls/{id:int}"
        return (
            Operation("GET", "/v1/firewalls", self._list),
            Operation("POST", "/v1/firewalls", self._create),
            Operation("GET", one, lambda call: Reply(200, {"firewall": self._shown(self._get(call))})),
            Operation("PUT", one, self._update),
            Operation("DELETE", one, self._delete),
            Operation("POST", f"{one}/actions/set_rules", self._set_rules),
            Operation("POST", f"{one}/actions/apply_to_resources", self._apply),
            Operation("POST", f"{one}/actions/remove_from_resources", self._remove),
        )

    def applied_to(self, server: Json) -> list[Json]:
        """The firewalls of a server, as `public_net.firewalls` lists them."""
        return [
            {"id": row["id"], "status": "applied"}
            for row in self._table.rows()
            if any(_covers(target, server) for target in row["targets"])
        ]

    def apply(self, firewalls: Iterable[Json], server: int) -> None:
        """Apply firewalls to a server that is being made: `[{"firewall": id}]`."""
        for entry in firewalls:
            row = self._table.get(entry.get("firewall"))
            if row is None:
                raise invalid("firewalls", f"firewall {entry} not found")
            row["targets"].append({"type": "server", "server": {"id": server}})
            self._table.put(row["id"], row)

    def forget(self, server: int) -> None:
        """Drop a deleted server from every firewall."""
        for row in self._table.rows():
            row["targets"] = [target for target in row["targets"] if target.get("server") != {"id": server}]
            self._table.put(row["id"], row)

    def _list(self, call: Call) -> Reply:
        return listed(call, "firewalls", [self._shown(row) for row in self._table.rows()], ("name",))

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("firewall", call.parameters["id"])
        return row

    def _create(self, call: Call) -> Reply:
        name = self._name(call.body.get("name"))
        key = self._lab.store.number("hetzner.firewall", 10_001)
        row: Json = {
            "id": key,
            "name": name,
            "labels": checked(mapping(call.body, "labels")),
            "created": self._lab.now(),
            "rules": _rules(array(call.body, "rules")),
            "targets": self._targets(array(call.body, "apply_to"), "apply_to"),
        }
        self._table.put(key, row)
        actions = [self._actions.begin("set_firewall_rules", [("firewall", key)])]
        actions += self._each("apply_firewall", key, row["targets"])
        return Reply(201, {"firewall": self._shown(row), "actions": actions})

    def _update(self, call: Call) -> Reply:
        row = self._get(call)
        if "name" in call.body and call.body["name"] != row["name"]:
            row["name"] = self._name(call.body["name"])
        if "labels" in call.body:
            row["labels"] = checked(call.body["labels"])
        self._table.put(row["id"], row)
        return Reply(200, {"firewall": self._shown(row)})

    def _delete(self, call: Call) -> Reply:
        row = self._get(call)
        if row["targets"]:
            raise error("resource_in_use", "firewall is still in use", {"firewall": row["id"]})
        self._table.delete(row["id"])
        return Reply(204)

    def _set_rules(self, call: Call) -> Reply:
        row = self._get(call)
        if "rules" not in call.body:
            raise invalid("rules", "is required")
        row["rules"] = _rules(call.body["rules"])
        self._table.put(row["id"], row)
        actions = [self._actions.begin("set_firewall_rules", [("firewall", row["id"])])]
        actions += self._each("apply_firewall", row["id"], row["targets"])
        return Reply(201, {"actions": actions})

    def _apply(self, call: Call) -> Reply:
        row = self._get(call)
        targets = self._targets(array(call.body, "apply_to"), "apply_to")
        if any(target in row["targets"] for target in targets):
            raise error("firewall_already_applied", "firewall already applied")
        row["targets"] += targets
        self._table.put(row["id"], row)
        return Reply(201, {"actions": self._each("apply_firewall", row["id"], targets)})

    def _remove(self, call: Call) -> Reply:
        row = self._get(call)
        targets = self._targets(array(call.body, "remove_from"), "remove_from")
        if any(target not in row["targets"] for target in targets):
            raise error("firewall_already_removed", "firewall already removed")
        row["targets"] = [target for target in row["targets"] if target not in targets]
        self._table.put(row["id"], row)
        return Reply(201, {"actions": self._each("remove_firewall", row["id"], targets)})

    def _each(self, command: str, key: int, targets: Sequence[Json]) -> list[Json]:
        servers = [server["id"] for server in self._covered(targets)]
        return [self._actions.begin(command, [("server", server), ("firewall", key)]) for server in servers]

    def _covered(self, targets: Sequence[Json]) -> list[Json]:
        return [
            server for server in self._servers.rows() if any(_covers(target, server) for target in targets)
        ]

    def _targets(self, wanted: Sequence[Any], field: str) -> list[Json]:
        return [self._target(entry, field) for entry in wanted]

    def _target(self, entry: Any, field: str) -> Json:
        match entry:
            case {"type": "server", "server": {"id": int(key)}}:
                if self._servers.get(key) is None:
                    raise missing("server", key)
                return {"type": "server", "server": {"id": key}}
            case {"type": "label_selector", "label_selector": {"selector": str(text)}}:
                selector(text)
                return {"type": "label_selector", "label_selector": {"selector": text}}
        raise invalid(field, "must name a server or a label selector")

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not 1 <= len(name) <= 128:
            raise invalid("name", "must be between 1 and 128 characters")
        if any(row["name"] == name for row in self._table.rows()):
            raise taken("name", "name is already used")
        return name

    def _shown(self, row: Json) -> Json:
        applied_to = [
            target
            if target["type"] == "server"
            else {
                **target,
                "applied_to_resources": [
                    {"type": "server", "server": {"id": server["id"]}} for server in self._covered([target])
                ],
            }
            for target in row["targets"]
        ]
        return {**{key: value for key, value in row.items() if key != "targets"}, "applied_to": applied_to}


def _covers(target: Json, server: Json) -> bool:
    if target["type"] == "server":
        return bool(target["server"]["id"] == server["id"])
    return selector(target["label_selector"]["selector"])(server["labels"])


def _rules(rules: Any) -> list[Json]:
    if not isinstance(rules, list) or len(rules) > 50:
        raise invalid("rules", "must be a list of at most 50 rules")
    return [_rule(f"rules[{index}]", rule) for index, rule in enumerate(rules)]


def _rule(field: str, rule: Any) -> Json:
    if not isinstance(rule, dict) or rule.get("direction") not in ("in", "out"):
        raise invalid(f"{field}.direction", "must be in or out")
    if rule.get("protocol") not in _PROTOCOLS:
        raise invalid(f"{field}.protocol", f"must be one of {', '.join(_PROTOCOLS)}")
    port = rule.get("port")
    if rule["protocol"] in ("tcp", "udp"):
        if port is None or not _is_port(str(port)):
            raise invalid(f"{field}.port", "must be a port, a range like 80-85, or any")
    elif port is not None:
        raise invalid(f"{field}.port", f"is not allowed for {rule['protocol']}")
    peers = "source_ips" if rule["direction"] == "in" else "destination_ips"
    if not rule.get(peers):
        raise invalid(f"{field}.{peers}", "is required")
    return {
        "direction": rule["direction"],
        "protocol": rule["protocol"],
        "port": port,
        "source_ips": _networks(f"{field}.source_ips", array(rule, "source_ips")),
        "destination_ips": _networks(f"{field}.destination_ips", array(rule, "destination_ips")),
        "description": rule.get("description"),
    }


def _is_port(text: str) -> bool:
    bounds = text.split("-")
    if text == "any":
        return True
    numbers = [int(bound) for bound in bounds if bound.isdecimal()]
    return (
        len(numbers) == len(bounds) <= 2
        and numbers == sorted(numbers)
        and 1 <= numbers[0] <= numbers[-1] <= 65535
    )


def _networks(field: str, networks: Sequence[Any]) -> list[str]:
    if len(networks) > 100:
        raise invalid(field, "must be at most 100 networks")
    for network in networks:
        try:
            # Host bits must not be set: Hetzner refuses 10.0.0.1/24.
            ipaddress.ip_network(network)
        except (ValueError, TypeError):
            raise invalid(field, f"{network} is not a valid CIDR") from None
        if "/" not in str(network):
            raise invalid(field, f"{network} is not a valid CIDR")
    return [str(network) for network in networks]
