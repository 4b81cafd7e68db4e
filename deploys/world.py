"""The world in types: what a fleet wants of its providers, and what they were found to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from deploys.symbolic import Text

AUTO_TTL = 300
"""Cloudflare's `1` means automatic, which it serves as 300 seconds."""


@dataclass(frozen=True)
class SshKey:
    """A public key that a vendor puts on new servers.

    Args:
        provider: `hetzner` or `contabo`.
        name: our name of it, with a fingerprint in it: a changed key is a new key.
        public_key: type and base64 blob, without the comment.
    """

    provider: str
    name: str
    public_key: str


@dataclass(frozen=True)
class Firewall:
    """A vendor's firewall before a server.

    Args:
        provider: who runs it.
        name: our name of it.
        rules: `protocol port source`, sorted: `tcp 22 198.51.100.0/24`. What no rule lets in is dropped.
        hosts: labels of the hosts behind it, sorted.
    """

    provider: str
    name: str
    rules: tuple[str, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """One rented server.

    Args:
        provider: who rents it out.
        host: its label, `n1`.
        type: the vendor's name of its type or product.
        location: the vendor's name of its location or region.
        image: the vendor's name of the image it starts with; only an order reads it.
        term_months: contract term of an order.
        ipv4: its address; None until it has one.
        ptr: the name its address points back to (RFC 1912 section 2.1).
        ordered: whether we may order it. A server whose address is in the fleet file exists already.
    """

    provider: str
    host: str
    type: str
    location: str
    image: str
    term_months: int
    ipv4: str | None
    ptr: str
    ordered: bool = True


@dataclass(frozen=True)
class Record:
    """One DNS record, normalised, so that equal ones are equal in every provider's spelling.

    Args:
        zone: the zone's name.
        name: absolute owner name, lower case, no trailing dot.
        type: in capitals.
        value: TXT as its text, unquoted and joined; MX as `10 mail.a.example`, no trailing dots; CAA as
            `0 issue "ca.example"`; others as in RFC 1035 section 5, no trailing dots.
        ttl: seconds.
        hosts: the hosts it concerns; empty if it concerns the fleet.
    """

    zone: str
    name: str
    type: str
    value: Text
    ttl: int
    hosts: tuple[str, ...] = field(default=(), compare=False)

    @property
    def relative(self) -> str:
        """The owner name as zone editors show it: `@` for the apex."""
        return "@" if self.name == self.zone else self.name.removesuffix(f".{self.zone}")


T = TypeVar("T", bound=SshKey | Firewall | Server | Record)


@dataclass(frozen=True)
class Held(Generic[T]):
    """Something a provider was found to hold.

    Args:
        value: what it is.
        id: the provider's id of it.
        owned: whether we made it; what others made is never changed.
        leaving: the day its contract ends, if it is cancelled.
    """

    value: T
    id: str
    owned: bool
    leaving: str = ""


@dataclass(frozen=True)
class Rented:
    """What the server vendors hold that concerns the fleet."""

    keys: tuple[Held[SshKey], ...] = ()
    firewalls: tuple[Held[Firewall], ...] = ()
    servers: tuple[Held[Server], ...] = ()

    def __add__(self, other: Rented) -> Rented:
        return Rented(self.keys + other.keys, self.firewalls + other.firewalls, self.servers + other.servers)


@dataclass(frozen=True)
class Hosted:
    """What the DNS provider holds that concerns the fleet.

    Args:
        zones: records by zone, of the zones in our account.
        elsewhere: account ids by zone, of zones the token can see in other accounts.
        undelegated: the name servers to set at the registrar, by zone nobody is sent to yet.
    """

    zones: Mapping[str, tuple[Held[Record], ...]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    undelegated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Current:
    """The world as read."""

    rented: Rented = Rented()
    hosted: Hosted = Hosted()


@dataclass(frozen=True)
class Wanted:
    """The world as the fleet file wants it, in the order it is converged: the shared zone first."""

    keys: tuple[SshKey, ...]
    firewalls: tuple[Firewall, ...]
    servers: tuple[Server, ...]
    zones: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True)
class Facts:
    """What only the world knows.

    Args:
        addresses: IPv4 by host label.
        dkim: base64 of the public key by domain.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    dkim: Mapping[str, str] = field(default_factory=dict)
