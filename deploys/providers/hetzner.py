"""Hetzner Cloud through its own SDK: servers with their PTR, SSH keys, firewalls.

Everything ours carries the labels `managed-by` and `fleet`; servers also `host`, so that one renamed by hand
is still known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
from hcloud import APIException, Client
from hcloud.actions import ActionException, BoundAction
from hcloud.firewalls import BoundFirewall, FirewallResource, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer
from hcloud.servers import Server as DomainServer
from hcloud.ssh_keys import BoundSSHKey
from hcloud.ssh_keys import SSHKey as DomainKey

from deploys.dns.records import address_of
from deploys.ownership import Identity, known_key
from deploys.plan import Action, Change, Fields, Kind
from deploys.providers import ProviderError
from deploys.providers.pace import PacedAdapter, Pacer, connection_cause
from deploys.providers.retry import persist
from deploys.world import Firewall, Held, Rented, Server, SshKey

ENDPOINT = "https://api.hetzner.cloud/v1"
PASSING = frozenset({"server_error", "unavailable", "timeout", "bad_gateway", "conflict", "locked"})
"""Error codes that pass by themselves (docs.hetzner.cloud, section Errors)."""
RESERVE = 10
"""Requests of the hourly limit that are left to others who use the project."""

T = TypeVar("T")


class Hetzner:
    """One project of Hetzner Cloud.

    Args:
        token: of the project, allowed to read and write.
        identity: the fleet's names and marks.
        endpoint: base URL of the API, with its version.
    """

    name = "hetzner"

    def __init__(self, token: str, identity: Identity, endpoint: str = ENDPOINT) -> None:
        self._identity = identity
        self._ids: dict[str, int] = {}
        self._client = Client(
            token, endpoint, application_name="outreach", poll_interval=_poll_seconds, timeout=30
        )
        # The SDK has no hook for its requests; its session is the only place where all of them pass.
        session = self._client._client._session
        adapter = PacedAdapter(Pacer(3500, 3600), _learn)
        session.mount("https://", adapter)
        session.mount("http://", adapter)

    def read(self) -> Rented:
        """See :meth:`deploys.providers.ServerVendor.read`."""
        servers = self._read("servers", self._client.servers.get_all)
        walls = self._read("firewalls", self._client.firewalls.get_all)
        keys = self._read("SSH keys", self._client.ssh_keys.get_all)
        held = [found for server in servers if (found := self._server(server))]
        hosts = {found.id: found.value.host for found in held}
        return Rented(
            keys=tuple(self._key(key) for key in keys),
            firewalls=tuple(self._firewall(wall, hosts) for wall in walls if self._concerns(wall)),
            servers=tuple(held),
        )

    def apply(self, change: Change) -> Mapping[str, str]:
        """See :meth:`deploys.providers.ServerVendor.apply`."""
        acts = {
            (Kind.SSH_KEY, Action.CREATE): self._create_key,
            (Kind.SSH_KEY, Action.DELETE): self._delete_key,
            (Kind.FIREWALL, Action.CREATE): self._ensure_firewall,
            (Kind.FIREWALL, Action.UPDATE): self._ensure_firewall,
            (Kind.FIREWALL, Action.DELETE): self._delete_firewall,
            (Kind.SERVER, Action.CREATE): self._ensure_server,
            (Kind.SERVER, Action.DELETE): self._delete_server,
            (Kind.PTR, Action.CREATE): self._set_ptr,
            (Kind.PTR, Action.UPDATE): self._set_ptr,
        }
        act = acts.get((change.kind, change.action))
        if act is None:
            raise ProviderError(
                self.name, change.object, "a server without a public IPv4 address is of no use"
            )

        def attempt() -> Mapping[str, str]:
            with _errors(str(change)):
                return act(change.object, change.after or {})

        return persist(attempt)

    def _read(self, what: str, call: Callable[[], list[T]]) -> list[T]:
        def attempt() -> list[T]:
            with _errors(what):
                return call()

        return persist(attempt)

    def _owned(self, labels: Mapping[str, str] | None) -> bool:
        return self._identity.labels.items() <= (labels or {}).items()

    def _server(self, server: BoundServer) -> Held[Server] | None:
        """A server that is ours, that the fleet file names, or that has a name of ours; None for others."""
        address = server.public_net.ipv4 if server.public_net else None
        ipv4 = address.ip if address else None
        owned = self._owned(server.labels)
        host, _, zone = (server.name or "").partition(".")
        if owned:
            host = (server.labels or {}).get("host", host)
        elif ipv4 and ipv4 in self._identity.declared:
            host = self._identity.declared[ipv4]
        elif zone != self._identity.infra_domain:
            return None
        self._ids[host] = _id(server)
        value = Server(
            provider=self.name,
            host=host,
            type=(server.server_type and server.server_type.name) or "",
            location=(server.location and server.location.name) or "",
            image=(server.image and server.image.name) or "",
            term_months=1,
            ipv4=ipv4,
            ptr=(address and address.dns_ptr) or "",
        )
        return Held(value, str(server.id), owned)

    def _key(self, key: BoundSSHKey) -> Held[SshKey]:
        public_key = known_key(key.public_key or "")
        return Held(SshKey(self.name, key.name or "", public_key), str(key.id), self._owned(key.labels))

    def _concerns(self, wall: BoundFirewall) -> bool:
        return self._owned(wall.labels) or self._identity.part(wall.name or "") is not None

    def _firewall(self, wall: BoundFirewall, hosts: Mapping[str, str]) -> Held[Firewall]:
        rules = sorted(
            f"{rule.protocol} {rule.port or '-'} {source}"
            for rule in wall.rules or []
            if rule.direction == FirewallRule.DIRECTION_IN
            for source in rule.source_ips
        )
        servers = [target.server.id for target in wall.applied_to or [] if target.server]
        behind = sorted(hosts[str(server)] for server in servers if str(server) in hosts)
        value = Firewall(self.name, wall.name or "", tuple(rules), tuple(behind))
        return Held(value, str(wall.id), self._owned(wall.labels))

    def _create_key(self, name: str, fields: Fields) -> Mapping[str, str]:
        public_key = str(fields["public_key"])
        if not self._client.ssh_keys.get_by_name(name):
            self._client.ssh_keys.create(name, public_key, labels=self._identity.labels)
        return {}

    def _delete_key(self, name: str, _fields: Fields) -> Mapping[str, str]:
        key = self._client.ssh_keys.get_by_name(name)
        if key and self._owned(key.labels):
            key.delete()
        return {}

    def _ensure_firewall(self, name: str, fields: Fields) -> Mapping[str, str]:
        rules = _rules(_texts(fields, "rules"))
        wall = self._client.firewalls.get_by_name(name)
        if wall is None:
            # The SDK's annotation of `labels` is wrong: it is a mapping, as everywhere else.
            labels: Any = self._identity.labels
            wall = self._client.firewalls.create(name, rules=rules, labels=labels).firewall
        else:
            self._mine(wall.labels, name)
            _finish(wall.set_rules(rules))
        there = {target.server.id for target in wall.applied_to or [] if target.server}
        wanted = {self._ids[host] for host in _texts(fields, "hosts") if host in self._ids}
        if missing := wanted - there:
            _finish(wall.apply_to_resources([_resource(server) for server in sorted(missing)]))
        return {}

    def _delete_firewall(self, name: str, _fields: Fields) -> Mapping[str, str]:
        wall = self._client.firewalls.get_by_name(name)
        if wall and self._owned(wall.labels):
            if wall.applied_to:
                _finish(wall.remove_from_resources(wall.applied_to))
            wall.delete()
        return {}

    def _ensure_server(self, host: str, fields: Fields) -> Mapping[str, str]:
        name = self._identity.fqdn(host)
        server = self._client.servers.get_by_name(name)
        if server is None:
            made = self._client.servers.create(
                name,
                ServerType(name=str(fields["type"])),
                Image(name=str(fields["image"])),
                location=Location(name=str(fields["location"])),
                ssh_keys=self._named_keys(_texts(fields, "ssh_keys")),
                firewalls=[self._named_firewall(wall) for wall in _texts(fields, "firewalls")],
                labels={**self._identity.labels, "host": host},
            )
            _finish([made.action, *made.next_actions])
            server = made.server
        self._mine(server.labels, name)
        self._ids[host] = _id(server)
        if not (server.public_net and server.public_net.ipv4):
            raise ProviderError(self.name, name, "the server has no public IPv4 address")
        return {address_of(host): server.public_net.ipv4.ip}

    def _delete_server(self, host: str, _fields: Fields) -> Mapping[str, str]:
        selector = ",".join(f"{key}={value}" for key, value in self._identity.labels.items())
        for server in self._client.servers.get_all(label_selector=f"{selector},host={host}"):
            _finish([server.delete()])
        return {}

    def _set_ptr(self, host: str, fields: Fields) -> Mapping[str, str]:
        server = self._client.servers.get_by_id(self._ids[host])
        _finish([server.change_dns_ptr(str(fields["ipv4"]), str(fields["name"]))])
        return {}

    def _mine(self, labels: Mapping[str, str] | None, name: str) -> None:
        if not self._owned(labels):
            raise ProviderError(self.name, name, "made by others in the meantime; rename or remove it there")

    def _named_keys(self, names: tuple[str, ...]) -> list[DomainKey | BoundSSHKey]:
        """Keys by our names of them: one that others put there under another name serves as well."""
        known = {
            self._identity.key_name(line): key
            for key in self._client.ssh_keys.get_all()
            if (line := known_key(key.public_key or ""))
        }
        if missing := [name for name in names if name not in known]:
            raise ProviderError(self.name, missing[0], "the SSH key is gone; run apply again")
        return [known[name] for name in names]

    def _named_firewall(self, name: str) -> BoundFirewall:
        wall = self._client.firewalls.get_by_name(name)
        if wall is None:
            raise ProviderError(self.name, name, "the firewall is gone; run apply again")
        return wall


def _id(server: BoundServer) -> int:
    return int(server.id or 0)  # the SDK's annotation allows none, its servers always have one


def _finish(actions: Iterable[BoundAction]) -> None:
    for action in actions:
        action.wait_until_finished()


def _poll_seconds(retries: int) -> float:
    return float(min(0.25 * 1.5**retries, 3.0))


def _learn(pacer: Pacer, status: int, headers: Mapping[str, str]) -> None:
    """Hetzner refills one request a second; the last few are left to others who use the project."""
    try:
        remaining = int(headers.get("RateLimit-Remaining", ""))
    except ValueError:
        return
    if remaining < RESERVE or status == requests.codes.too_many_requests:
        pacer.pause(max(1, RESERVE - remaining))


def _resource(server: int) -> FirewallResource:
    return FirewallResource(FirewallResource.TYPE_SERVER, server=DomainServer(id=server))


def _rules(rules: tuple[str, ...]) -> list[FirewallRule]:
    """Our spelling of rules, one source each, as the vendor's, one protocol and port each."""
    sources: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        protocol, port, source = rule.split(" ")
        sources.setdefault((protocol, port), []).append(source)
    return [
        FirewallRule(FirewallRule.DIRECTION_IN, protocol, networks, None if port == "-" else port)
        for (protocol, port), networks in sources.items()
    ]


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name, ())
    return value if isinstance(value, tuple) else ()


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Turn whatever the SDK raises into one :class:`ProviderError`."""
    try:
        yield
    except APIException as error:
        if error.code in ("unauthorized", "token_readonly", "forbidden"):
            cause = f"the token in HCLOUD_TOKEN is refused ({error.code}): {error.message}"
            raise ProviderError(Hetzner.name, what, cause) from error
        # A number instead of a code means that the body was not the API's own.
        passing = isinstance(error.code, int) or error.code in PASSING
        raise ProviderError(
            Hetzner.name, what, f"{error.message} ({error.code})", ambiguous=passing
        ) from error
    except ActionException as error:
        raise ProviderError(Hetzner.name, what, str(error)) from error
    except requests.RequestException as error:
        raise ProviderError(Hetzner.name, what, connection_cause(error), ambiguous=True) from error
