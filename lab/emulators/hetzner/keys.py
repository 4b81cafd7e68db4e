"""SSH keys: unique by name and by fingerprint."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from lab.emulators.fields import mapping, text
from lab.emulators.hetzner.errors import invalid, missing, taken
from lab.emulators.hetzner.labels import checked
from lab.emulators.hetzner.listing import listed
from lab.emulators.store import Json
from lab.emulators.vendor import Call, Context, Operation, Reply


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of an OpenSSH public key, as Hetzner shows it (RFC 4716 section 4).

    Raises:
        VendorError: the text is no public key.
    """
    parts = public_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, ValueError):
        raise invalid("public_key", "is not a valid SSH public key") from None
    size = int.from_bytes(blob[:4])
    if blob[4 : 4 + size].decode(errors="replace") != parts[0]:
        raise invalid("public_key", "is not a valid SSH public key")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, 32, 2))


class Keys:
    """The project's SSH keys."""

    def __init__(self, lab: Context) -> None:
        self._lab = lab
        self._table = lab.store.table("hetzner", "ssh_key")

    def find(self, reference: object) -> Json:
        """A key by id or name, as `POST /servers` refers to it.

        Raises:
            VendorError: there is none.
        """
        for row in self._table.rows():
            if reference in (row["id"], str(row["id"]), row["name"]):
                return row
        raise invalid("ssh_keys", f"SSH key {reference} not found")

    def operations(self) -> Sequence[Operation]:
        """CRUD of `/ssh_keys`."""
        return (
            Operation("GET", "/v1/ssh_keys", self._list),
            Operation("POST", "/v1/ssh_keys", self._create),
            Operation("GET", "/v1/ssh_keys/{id:int}", lambda call: Reply(200, {"ssh_key": self._get(call)})),
            Operation("PUT", "/v1/ssh_keys/{id:int}", self._update),
            Operation("DELETE", "/v1/ssh_keys/{id:int}", self._delete),
        )

    def _list(self, call: Call) -> Reply:
        return listed(call, "ssh_keys", self._table.rows(), ("name", "fingerprint"))

    def _get(self, call: Call) -> Json:
        row = self._table.get(call.parameters["id"])
        if row is None:
            raise missing("SSH key", call.parameters["id"])
        return row

    def _create(self, call: Call) -> Reply:
        name, public_key = call.body.get("name"), call.body.get("public_key")
        if not isinstance(name, str) or not name:
            raise invalid("name", "can't be blank")
        if not isinstance(public_key, str) or not public_key:
            raise invalid("public_key", "can't be blank")
        mark = fingerprint(public_key)
        self._unique_name(name)
        if any(row["fingerprint"] == mark for row in self._table.rows()):
            raise taken("public_key", "SSH key with the same fingerprint already exists")
        key = self._lab.store.number("hetzner.ssh_key", 100_001)
        row = {
            "id": key,
            "name": name,
            "fingerprint": mark,
            "public_key": public_key.strip(),
            "labels": checked(mapping(call.body, "labels")),
            "created": self._lab.now(),
        }
        self._table.put(key, row)
        return Reply(201, {"ssh_key": row})

    def _update(self, call: Call) -> Reply:
        row = self._get(call)
        if (name := text(call.body, "name")) and name != row["name"]:
            self._unique_name(name)
            row["name"] = name
        if "labels" in call.body:
            row["labels"] = checked(call.body["labels"])
        self._table.put(row["id"], row)
        return Reply(200, {"ssh_key": row})

    def _delete(self, call: Call) -> Reply:
        self._table.delete(self._get(call)["id"])
        return Reply(204)

    def _unique_name(self, name: str) -> None:
        if any(row["name"] == name for row in self._table.rows()):
            raise taken("name", "SSH key not unique")
