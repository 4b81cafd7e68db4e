"""Contabo: servers with their PTR, and SSH keys as secrets.

There are no labels, so what is ours carries a name of ours. There is no delete, so a contract is cancelled
and runs out. And there is no idempotent order: the name is looked up before an order and after any doubt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from deploys.dns.records import address_of
from deploys.ownership import Identity
from deploys.plan import Action, Change, Fields, Kind
from deploys.providers import ProviderError, understood
from deploys.providers.contabo_client import ContaboClient
from deploys.providers.orders import Orders
from deploys.providers.retry import persist
from deploys.world import Held, Rented, Server, SshKey

INSTANCES = "/v1/compute/instances"
SECRETS = "/v1/secrets"
PTRS = "/v1/dns/ptrs"
PATIENCE = 1800
"""Seconds that a new server may take to run; Contabo says: typically a few minutes."""
SETTLES = 60
"""Seconds after which an order that cannot be seen was not placed."""

Instance = dict[str, Any]


class Contabo:
    """One customer's account.

    Args:
        client: of the account.
        identity: the fleet's names and marks.
        orders: the journal of orders.
        settles: seconds after which an order that cannot be seen was not placed.
        sleep: waits so many seconds.
    """

    name = "contabo"

    def __init__(
        self,
        client: ContaboClient,
        identity: Identity,
        orders: Orders,
        settles: float = SETTLES,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._identity = identity
        self._orders = orders
        self._settles = settles
        self._sleep = sleep

    def read(self) -> Rented:
        """See :meth:`deploys.providers.ServerVendor.read`."""
        with understood(self.name, "servers"):
            return self._read()

    def _read(self) -> Rented:
        instances = self._client.list(INSTANCES, "servers")
        names = {row["ip"]: row["ptr"] for row in self._client.list(PTRS, "PTR records")}
        secrets = self._client.list(SECRETS, "SSH keys", type="ssh")
        return Rented(
            keys=tuple(
                Held(SshKey(self.name, row["name"], ""), str(row["secretId"]), owned=True)
                for row in secrets
                if self._identity.part(row["name"]) is not None
            ),
            servers=tuple(found for row in instances if (found := self._server(row, names))),
        )

    def apply(self, change: Change) -> Mapping[str, str]:
        """See :meth:`deploys.providers.ServerVendor.apply`."""
        with understood(self.name, str(change)):
            return self._apply(change, change.after or {})

    def _apply(self, change: Change, fields: Fields) -> Mapping[str, str]:
        match change.kind, change.action:
            case Kind.SSH_KEY, Action.CREATE:
                persist(lambda: self._create_key(change.object, fields))
            case Kind.SSH_KEY, Action.DELETE:
                persist(lambda: self._delete_key(change.object))
            case Kind.SERVER, Action.CREATE:
                return self._running(change.object, self._ordered(change.object, fields))
            case Kind.SERVER, Action.UPDATE:
                return self._running(change.object, self._found(change.object))
            case Kind.SERVER, Action.DELETE:
                persist(lambda: self._cancel(change.object))
            case Kind.PTR, _:
                persist(lambda: self._set_ptr(change.object, fields))
            case _:
                raise ProviderError(self.name, str(change), "there is no such thing at Contabo")
        return {}

    def _server(self, row: Instance, names: Mapping[str, str]) -> Held[Server] | None:
        """A server that carries a name of ours or that the fleet file names; None for others."""
        ipv4 = row["ipConfig"]["v4"]["ip"] or None
        host = self._identity.part(row["displayName"])
        owned = host is not None
        host = host or self._identity.declared.get(ipv4 or "")
        if host is None:
            return None
        if row["status"] == "error":
            ipv4 = None  # its address leads nowhere; applying waits for the server, and says what failed
        value = Server(
            provider=self.name,
            host=host,
            type=row["productId"],
            location=row["region"],
            image=row["imageId"],
            term_months=1,
            ipv4=ipv4,
            ptr=names.get(ipv4 or "", ""),
        )
        return Held(value, str(row["instanceId"]), owned, leaving=row.get("cancelDate") or "")

    def _lookup(self, host: str) -> Instance | None:
        """The server of this host by its name, fresh from the vendor."""
        name = self._identity.named(host)
        rows = self._client.list(INSTANCES, host, displayName=name)
        # The filter is the vendor's; equality is ours.
        return next((row for row in rows if row["displayName"] == name), None)

    def _found(self, host: str) -> Instance:
        row = self._lookup(host)
        if row is None:
            raise ProviderError(self.name, host, "the server is gone; run apply again")
        return row

    def _ordered(self, host: str, fields: Fields) -> Instance:
        """The server of this host, ordered unless it exists or an earlier order turns up."""
        name = self._identity.named(host)
        age = self._orders.age(name)
        row = self._lookup(host) if age is None else self._awaited(host, self._settles - age)
        if row is None:
            row = self._order(host, name, fields)
        self._orders.settle(name)
        return row

    def _order(self, host: str, name: str, fields: Fields) -> Instance:
        body = {
            "displayName": name,
            "productId": fields["type"],
            "region": fields["location"],
            "period": fields["term_months"],
            "imageId": self._image(str(fields["image"])),
            "sshKeys": self._key_ids(fields["ssh_keys"]),
            "defaultUser": "root",
        }
        self._orders.begin(name)
        try:
            ordered: Instance = self._client.send("POST", INSTANCES, f"order of {host}", body=body)["data"][0]
        except ProviderError as error:
            if not error.ambiguous:
                self._orders.settle(name)
                raise
            row = self._awaited(host, self._settles)
            if row is None:
                hint = f"{error}; it has not shown up, run apply again to look once more before ordering"
                raise ProviderError(self.name, f"order of {host}", hint) from error
            return row
        return ordered

    def _awaited(self, host: str, seconds: float) -> Instance | None:
        """Look for an order that may have been placed, for so long, and at least once."""
        delay = 0.5
        while True:
            row = self._lookup(host)
            if row is not None or seconds <= 0:
                return row
            self._sleep(min(delay, seconds))
            seconds -= delay
            delay = min(delay * 2, 5.0)

    def _running(self, host: str, row: Instance) -> Mapping[str, str]:
        """Wait until the server runs and has its address."""
        waited, delay = 0.0, 0.5
        while True:
            row = self._client.get(f"{INSTANCES}/{row['instanceId']}", host)["data"][0]
            if row["status"] == "error":
                cause = row.get("errorMessage") or "provisioning failed"
                raise ProviderError(self.name, host, f"{cause} (server {row['instanceId']})")
            if row["status"] == "running" and row["ipConfig"]["v4"]["ip"]:
                return {address_of(host): row["ipConfig"]["v4"]["ip"]}
            if waited > PATIENCE:
                cause = f"still {row['status']} after {PATIENCE // 60} minutes; run apply again later"
                raise ProviderError(self.name, host, cause)
            self._sleep(delay)
            waited += delay
            delay = min(delay * 1.5, 10.0)

    def _image(self, image: str) -> str:
        rows = self._client.list("/v1/compute/images", f"image {image}", name=image, standardImage="true")
        found = next((row["imageId"] for row in rows if image in (row["name"], row["imageId"])), None)
        if found is None:
            raise ProviderError(
                self.name, f"image {image}", "there is none of this name; correct the fleet file"
            )
        return str(found)

    def _key_ids(self, names: object) -> list[int]:
        secrets = self._client.list(SECRETS, "SSH keys", type="ssh")
        wanted = names if isinstance(names, tuple) else ()
        ids = {row["name"]: int(row["secretId"]) for row in secrets}
        if missing := [name for name in wanted if name not in ids]:
            raise ProviderError(self.name, missing[0], "the SSH key is gone; run apply again")
        return [ids[name] for name in wanted]

    def _create_key(self, name: str, fields: Fields) -> None:
        if not self._named_secrets(name):
            body = {"name": name, "value": fields["public_key"], "type": "ssh"}
            self._client.send("POST", SECRETS, name, body=body)

    def _delete_key(self, name: str) -> None:
        for row in self._named_secrets(name):
            self._client.send("DELETE", f"{SECRETS}/{row['secretId']}", name)

    def _named_secrets(self, name: str) -> list[dict[str, Any]]:
        rows = self._client.list(SECRETS, name, type="ssh", name=name)
        return [row for row in rows if row["name"] == name]

    def _cancel(self, host: str) -> None:
        row = self._lookup(host)
        if row and not row.get("cancelDate"):
            self._client.send("POST", f"{INSTANCES}/{row['instanceId']}/cancel", host, body={})

    def _set_ptr(self, host: str, fields: Fields) -> None:
        path = f"{PTRS}/{fields['ipv4']}"
        self._client.send("PUT", path, f"PTR of {host}", body={"ptr": fields["name"]})
