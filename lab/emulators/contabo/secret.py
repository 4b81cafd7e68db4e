"""Secrets: SSH keys and passwords; a value is shown to whoever reads one secret, never in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.emulators.contabo.envelope import OWNER, error, invalid, listed, missing, single
from lab.emulators.fields import text
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply

_TYPES = ("ssh", "password")
_MASK = "********"


class Secrets:
    """The customer's secrets. Names are not unique."""

    def __init__(self, lab: Context) -> None:
        self._lab = lab
        self._table = lab.store.table("contabo", "secret")

    def operations(self) -> Sequence[Operation]:
        """CRUD of `/v1/secrets`."""
        one = "/v1/secrets/{id:int}"
        return (
            Operation("GET", "/v1/secrets", self._list),
            Operation("POST", "/v1/secrets", self._create),
            Operation("GET", one, lambda call: single(call, self._get(call))),
            Operation("PATCH", one, self._update),
            Operation("DELETE", one, self._delete),
        )

    def public_keys(self, keys: Sequence[object]) -> list[str]:
        """The public keys of SSH secrets.

        Raises:
            VendorError: 400 if one is missing or no SSH key.
        """
        rows = [self._table.get(key) for key in keys]
        for key, row in zip(keys, rows, strict=True):
            if row is None or row["type"] != "ssh":
                raise invalid(f"Secret {key} does not exist or is no SSH key")
        return [row["value"] for row in rows if row]

    def _list(self, call: Call) -> Reply:
        rows = [{**row, "value": _MASK} for row in self._table.rows()]
        for name in ("name", "type"):
            if (wanted := call.query.get(name)) is not None:
                rows = [row for row in rows if row[name] == wanted]
        return listed(call, rows)

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("Secret", call.parameters["id"])
        return row

    def _create(self, call: Call) -> Reply:
        name, value, kind = (call.body.get(field) for field in ("name", "value", "type"))
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            raise error(
                400, "name must be longer than or equal to 1 and shorter than or equal to 255 characters"
            )
        if kind not in _TYPES:
            raise invalid(f"type must be one of the following values: {', '.join(_TYPES)}")
        _check(kind, value)
        key, now = self._lab.store.number("contabo.secret", 100_001), self._lab.now()
        row = {
            **OWNER,
            "secretId": key,
            "name": name,
            "type": kind,
            "value": value,
            "createdAt": now,
            "updatedAt": now,
        }
        self._table.put(key, row)
        return single(call, row, 201)

    def _update(self, call: Call) -> Reply:
        row = self._get(call)
        if "value" in call.body:
            _check(row["type"], call.body["value"])
            row["value"] = call.body["value"]
        row["name"] = text(call.body, "name", str(row["name"]))
        row["updatedAt"] = self._lab.now()
        self._table.put(row["secretId"], row)
        return single(call)

    def _delete(self, call: Call) -> Reply:
        self._table.delete(self._get(call)["secretId"])
        return Reply(204)


def _check(kind: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) < 8:
        raise invalid("value must be longer than or equal to 8 characters")
    if kind == "ssh" and not value.startswith(("ssh-", "ecdsa-", "sk-")):
        raise invalid("value is not a valid public SSH key")
