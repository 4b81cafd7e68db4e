"""Tags and their assignments to instances."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from lab.emulators.contabo.envelope import OWNER, error, invalid, listed, missing, single
from lab.emulators.contabo.instances import Instances
from lab.emulators.fields import text
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply


class Tags:
    """The customer's tags, unique by name."""

    def __init__(self, lab: Context, instances: Instances) -> None:
        self._lab = lab
        self._instances = instances
        self._table = lab.store.table("contabo", "tag")
        self._assignments = lab.store.table("contabo", "assignment")

    def operations(self) -> Sequence[Operation]:
        """CRUD of `/v1/tags` and of the assignments below each."""
        one = "/v1/tags/{id:int}"
        assignment = f"{one}/assignments/{{type}}/{{resource}}"
        return (
            Operation("GET", "/v1/tags", self._list),
            Operation("POST", "/v1/tags", self._create),
            Operation("GET", one, lambda call: single(call, self._get(call))),
            Operation("PATCH", one, self._update),
            Operation("DELETE", one, self._delete),
            Operation("GET", f"{one}/assignments", self._list_assignments),
            Operation("POST", assignment, self._assign),
            Operation("GET", assignment, self._get_assignment),
            Operation("DELETE", assignment, self._unassign),
        )

    def _list(self, call: Call) -> Reply:
        wanted = call.query.get("name")
        return listed(call, [row for row in self._table.rows() if wanted in (None, row["name"])])

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("Tag", call.parameters["id"])
        return row

    def _create(self, call: Call) -> Reply:
        row = {
            **OWNER,
            "tagId": self._lab.store.number("contabo.tag", 1001),
            "name": self._name(call.body.get("name")),
            "color": _color(call.body.get("color")),
        }
        self._table.put(row["tagId"], row)
        return single(call, {**OWNER, "tagId": row["tagId"]}, 201)

    def _update(self, call: Call) -> Reply:
        row = self._get(call)
        if call.body.get("name", row["name"]) != row["name"]:
            row["name"] = self._name(call.body["name"])
        row["color"] = _color(text(call.body, "color", str(row["color"])))
        self._table.put(row["tagId"], row)
        return single(call)

    def _delete(self, call: Call) -> Reply:
        row = self._get(call)
        if self._assignments.rows(row["tagId"]):
            raise error(409, f"Tag {row['tagId']} is still assigned")
        self._table.delete(row["tagId"])
        return Reply(204)

    def _name(self, name: Any) -> str:
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise error(
                400, "name must be longer than or equal to 1 and shorter than or equal to 255 characters"
            )
        if any(row["name"] == name for row in self._table.rows()):
            raise error(409, f"Tag with name {name} already exists")
        return name

    def _list_assignments(self, call: Call) -> Reply:
        tag = self._get(call)
        return listed(call, [self._shown(tag, row) for row in self._assignments.rows(tag["tagId"])])

    def _assign(self, call: Call) -> Reply:
        tag, key = self._get(call), _key(call)
        if call.parameters["type"] != "instance":
            raise invalid("the emulator knows tags of the resource type instance only")
        if self._instances.name_of(call.parameters["resource"]) is None:
            raise missing("Instance", call.parameters["resource"])
        if self._assignments.get(key):
            raise error(409, "Tag is already assigned to the resource")
        row = {"type": call.parameters["type"], "resource": call.parameters["resource"]}
        self._assignments.put(key, row, parent=tag["tagId"])
        return Reply(201, {"_links": _links(call)})

    def _get_assignment(self, call: Call) -> Reply:
        tag, row = self._get(call), self._assigned(call)
        return Reply(200, {"data": [self._shown(tag, row)], "_links": _links(call)})

    def _unassign(self, call: Call) -> Reply:
        self._assigned(call)
        self._assignments.delete(_key(call))
        return Reply(204)

    def _assigned(self, call: Call) -> Json:
        row = self._assignments.get(_key(call))
        if row is None:
            raise missing("Assignment", call.parameters["resource"])
        return row

    def _shown(self, tag: Json, row: Json) -> Json:
        return {
            **OWNER,
            "tagId": tag["tagId"],
            "tagName": tag["name"],
            "resourceType": row["type"],
            "resourceId": row["resource"],
            "resourceName": self._instances.name_of(row["resource"]),
        }


def _key(call: Call) -> str:
    return "/".join(str(call.parameters[part]) for part in ("id", "type", "resource"))


def _links(call: Call) -> Json:
    tag, resource = call.parameters["id"], call.parameters["resource"]
    return {
        "self": urlsplit(call.url).path,
        "tag": f"/v1/tags/{tag}",
        "_resource": f"/v1/compute/instances/{resource}",
    }


def _color(color: Any) -> str:
    if not isinstance(color, str) or not re.fullmatch(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", color):
        raise invalid("color must be a hexadecimal color")
    return color
