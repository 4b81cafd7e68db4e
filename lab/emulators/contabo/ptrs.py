"""PTR records. Every IPv4 address of an instance always has one: it can be changed, not made or deleted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab.emulators.contabo.envelope import OWNER, invalid, listed, missing, single
from lab.emulators.contabo.instances import Instances
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

_HOSTNAME = re.compile(r"(?=.{1,253}$)([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9-]{2,63}")


class Ptrs:
    """`/v1/dns/ptrs`."""

    def __init__(self, lab: Context, instances: Instances) -> None:
        self._lab = lab
        self._instances = instances

    def operations(self) -> Sequence[Operation]:
        """List, read and change."""
        one = "/v1/dns/ptrs/{ip}"
        return (
            Operation("GET", "/v1/dns/ptrs", self._list),
            Operation("POST", "/v1/dns/ptrs", self._refuse),
            Operation("GET", one, lambda call: single(call, _shown(self._get(call)))),
            Operation("PUT", one, self._change),
            Operation("DELETE", one, self._refuse),
        )

    def _list(self, call: Call) -> Reply:
        rows = [_shown(row) for row in self._instances.addresses()]
        if wanted := call.query.get("ips"):
            rows = [row for row in rows if row["ip"] in wanted.split(",")]
        if text := call.query.get("search"):
            rows = [row for row in rows if text in row["ip"] or text in row["ptr"]]
        return listed(call, rows)

    def _get(self, call: Call) -> Json:
        row = self._instances.by_address(call.parameters["ip"])
        if row is None:
            raise missing("PTR record for IP", call.parameters["ip"])
        return row

    def _change(self, call: Call) -> Reply:
        row, name = self._get(call), call.body.get("ptr")
        if not isinstance(name, str) or not _HOSTNAME.fullmatch(name):
            raise invalid("ptr must be a valid domain name")
        row["ptr"] = name
        self._instances.change(row)
        job = self._lab.jobs.set_ptr(row["ipv4"], name)
        reply = single(call, _shown(row))
        return Reply(reply.status, reply.body, jobs=(job,))

    def _refuse(self, _call: Call) -> Reply:
        raise invalid("PTR records of IPv4 addresses can not be created or deleted")


def _shown(row: Json) -> Json:
    return {**OWNER, "ip": row["ipv4"], "ptr": row["ptr"]}
