"""Actions: what runs on after a request was accepted (docs.hetzner.cloud, section Actions)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.emulators.clock import timestamp
from lab.emulators.hetzner.errors import missing
from lab.emulators.hetzner.listing import listed
from lab.emulators.jobs import JobState
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

Resource = tuple[str, int]
"""A resource an action is about: its type (`server`, `firewall`) and id."""


class Actions:
    """Every action of the project. Whether one still runs is read off the clock and its job."""

    def __init__(self, lab: Context) -> None:
        self._lab = lab
        self._table = lab.store.table("hetzner", "action")

    def begin(
        self, command: str, resources: Sequence[Resource], *, seconds: float = 0, job: int | None = None
    ) -> Json:
        """Start an action that runs for `seconds`, and on until its job is done."""
        key = self._lab.store.number("hetzner.action", 1_000_001)
        now = self._lab.clock.now()
        row = {
            "id": key,
            "command": command,
            "resources": [{"id": number, "type": kind} for kind, number in resources],
            "started": now,
            "until": now + seconds,
            "job": job,
        }
        self._table.put(key, row)
        return self._shown(row)

    def running(self, kind: str, key: int, commands: Sequence[str]) -> bool:
        """Whether one of these commands still runs on the resource."""
        return any(
            row["command"] in commands and self._shown(row)["status"] == "running"
            for row in self._table.rows()
            if {"id": key, "type": kind} in row["resources"]
        )

    def operations(self) -> Sequence[Operation]:
        """`/actions`, and the actions of each kind of resource and of each resource."""
        found = [
            Operation("GET", "/v1/actions", self._lister(None)),
            Operation("GET", "/v1/actions/{action:int}", self._getter(None)),
        ]
        for path, kind in (("/v1/servers", "server"), ("/v1/firewalls", "firewall")):
            for base in (path, f"{path}/{{id:int}}"):
                found.append(Operation("GET", f"{base}/actions", self._lister(kind)))
                found.append(Operation("GET", f"{base}/actions/{{action:int}}", self._getter(kind)))
        return found

    def _lister(self, kind: str | None) -> Callable[[Call], Reply]:
        return lambda call: self._list(call, kind)

    def _getter(self, kind: str | None) -> Callable[[Call], Reply]:
        return lambda call: self._get(call, kind)

    def _list(self, call: Call, kind: str | None) -> Reply:
        wanted = call.parameters.get("id")
        rows = [
            self._shown(row)
            for row in self._table.rows()
            if kind is None or any(_about(resource, kind, wanted) for resource in row["resources"])
        ]
        return listed(call, "actions", rows, ("id", "status"))

    def _get(self, call: Call, kind: str | None) -> Reply:
        row = self._table.get(call.parameters["action"])
        wanted = call.parameters.get("id")
        if row is None or (kind and not any(_about(resource, kind, wanted) for resource in row["resources"])):
            raise missing("action", call.parameters["action"])
        return Reply(200, {"action": self._shown(row)})

    def _shown(self, row: Json) -> Json:
        now, until = self._lab.clock.now(), row["until"]
        job = JobState.DONE if row["job"] is None else self._lab.jobs.state(row["job"])
        status, error = "running", None
        if job is JobState.FAILED:
            status, error = "error", {"code": "action_failed", "message": "Action failed"}
        elif job is JobState.DONE and now >= until:
            status = "success"
        span = until - row["started"]
        progress = (
            100 if status != "running" else int(99 * min(1, (now - row["started"]) / span)) if span else 50
        )
        return {
            "id": row["id"],
            "command": row["command"],
            "status": status,
            "progress": progress,
            "started": timestamp(row["started"]),
            "finished": None if status == "running" else timestamp(max(until, row["started"])),
            "resources": row["resources"],
            "error": error,
        }


def _about(resource: Json, kind: str, key: object | None) -> bool:
    return resource["type"] == kind and (key is None or str(resource["id"]) == str(key))
