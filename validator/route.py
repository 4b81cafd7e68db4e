"""From a domain to the hosts that take its mail (RFC 5321 section 5.1, RFC 7505)."""

from __future__ import annotations

import ipaddress
import random
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from validator import wire
from validator.resolver import DnsError, Questions
from validator.status import Status


class Host(NamedTuple):
    """A mail exchanger; `best` if no other is preferred to it."""

    name: str
    preference: int
    best: bool


class Route(NamedTuple):
    """Where mail of a domain goes.

    Attributes:
        hosts: Exchangers in order of preference; empty if `status` is set.
        implicit: No MX record; the domain's own address is used.
        status: Why there is none, and `reason` and `details` with it.
    """

    hosts: tuple[Host, ...] = ()
    implicit: bool = False
    status: Status | None = None
    reason: str = ""
    details: str = ""

    def ordered(self, rng: random.Random) -> list[Host]:
        """By preference, equals in random order (RFC 5321 section 5.1: MUST)."""
        if len(self.hosts) == 1:
            return list(self.hosts)
        ordered: list[Host] = []
        for _, equals in groupby(self.hosts, key=lambda host: host.preference):
            group = list(equals)
            rng.shuffle(group)
            ordered.extend(group)
        return ordered


class Addresses(NamedTuple):
    """The addresses of one exchanger, or why there are none that may be dialled."""

    usable: tuple[str, ...]
    refused: tuple[str, ...] = ()
    error: str = ""


async def find_route(dns: Questions, domain: str) -> Route:
    """Ask for the exchangers of a domain (A-labels). A resolver's failure is never NO_MX."""
    try:
        answer = await dns.ask(domain, wire.MX)
    except DnsError as error:
        return dns_failure(error)
    if answer.rcode == wire.NXDOMAIN:
        return Route(status=Status.NO_MX, reason="no_domain", details=f"The domain {domain} does not exist.")
    records = [value for value in answer.values if isinstance(value, tuple)]
    if not records:
        return Route((Host(domain, 0, True),), implicit=True)
    if len(records) == 1:
        return _only(*records[0], domain)
    named = sorted({record for record in records if record[1] != "."})
    if not named:
        return Route(
            status=Status.NO_MX, reason="null_mx", details=f"The domain {domain} names no usable exchanger."
        )
    least = named[0][0]
    return Route(tuple(Host(name, preference, preference == least) for preference, name in named))


def _only(preference: int, name: str, domain: str) -> Route:
    if name != ".":
        return Route((Host(name, preference, True),))
    details = f"The domain {domain} declares that it takes no mail."
    return Route(status=Status.NO_MX, reason="null_mx", details=details)


async def find_addresses(
    dns: Questions, host: str, families: tuple[int, ...], *, allow_private: bool
) -> Addresses:
    """The addresses of an exchanger in the families our sources have.

    Args:
        dns: Where to ask.
        host: Its name.
        families: `wire.A`, `wire.AAAA`.
        allow_private: Dial loopback and private addresses: for a lab only, since a stranger's DNS names the
            target.
    """
    if ":" in host or host.rpartition(".")[2].isdigit():
        # An MX that names an address breaks RFC 5321 section 5.1; dialling it is not our job.
        return Addresses((), (), "names an address")
    found: list[str] = []
    error = ""
    for family in families:
        try:
            found += [str(value) for value in (await dns.ask(host, family)).values]
        except DnsError as failure:
            error = error or failure.kind
    if allow_private:
        return Addresses(tuple(found), (), "" if found else error)
    usable = tuple([ip for ip in found if is_public(ip)])
    refused = tuple([ip for ip in found if ip not in usable])
    return Addresses(usable, refused, "" if found else error)


def dns_failure(error: DnsError) -> Route:
    """A failed look-up as a route that says so."""
    status = Status.TIMEOUT if error.kind == "timeout" else Status.UNKNOWN
    return Route(status=status, reason=f"dns_{error.kind}", details=f"DNS: {error}.")


@lru_cache(maxsize=1024)
def is_public(ip: str) -> bool:
    """False for loopback, private, multicast and reserved addresses, which a probe must not reach."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
