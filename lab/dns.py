"""The lab's DNS: a signed root of its own, and whatever providers publish, on one authoritative server.

Hosts keep the resolver configuration of production; only root hints and trust anchor are the lab's. The root
and `example.` are signed (RFC 4033) and chained; published zones are delegated without DS, as zones at
Cloudflare are until someone turns DNSSEC on. Nothing outlives five seconds in a cache.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.name
import dns.zone
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.dnskeybase import Flag

from lab.addresses import NAMESERVER
from lab.hosts import Hosts, HostSpec, Software
from lab.process import LabError, locked
from lab.world import ResourceRecord

NAMESERVER_NAME = "ns.lab.example."
MAX_TTL = 5
"""Seconds; longer TTLs of published records are cut to this."""
NEGATIVE_TTL = 1
"""Seconds a resolver remembers that a name does not exist (RFC 2308)."""

_HOST = "dns"
_ROOT, _TOP = ".", "example"
_REVERSE = ("18.198.in-addr.arpa", "19.198.in-addr.arpa")


class Dns:
    """The authoritative server and what it serves.

    Args:
        directory: zone files, keys and the record of what is served; the server sees it as `/srv/dns`.
        hosts: where the server runs.
    """

    def __init__(self, directory: Path, hosts: Hosts) -> None:
        self.directory = directory
        self.hosts = hosts

    def prepare(self) -> Software:
        """Make keys and first zones; the server's host boots with what is returned."""
        for part in ("zones", "keys", "host"):
            (self.directory / part).mkdir(parents=True)
        anchor = _new_key(self.directory / "keys/root.pem")
        top = _new_key(self.directory / "keys/example.pem")
        ds = dns.dnssec.make_ds(dns.name.from_text(_TOP), top, "SHA256")
        for name, text in _resolver_files(anchor).items():
            (self.directory / "host" / name).write_text(text)
        state = _State(ds.to_text(), ptr={}, zones=())
        self._write(state)
        self._save(state)
        return Software("dns", {}, ("knot.service", "unbound.service"))

    def spec(self, addresses: tuple[str, ...], ssh_keys: tuple[str, ...]) -> HostSpec:
        """The server's host."""
        return HostSpec(_HOST, addresses, ssh_keys, {"/srv/dns": str(self.directory)})

    def host_files(self) -> dict[str, str]:
        """Root hints and trust anchor for every host, where Debian's `dns-root-data` keeps them."""
        return {
            f"/usr/share/dns/{path.name}": path.read_text() for path in (self.directory / "host").iterdir()
        }

    def publish(self, zone: str, records: Sequence[ResourceRecord]) -> None:
        """Serve exactly these records as `zone`; see :class:`lab.world.World`. TTLs are cut to `MAX_TTL`.

        Raises:
            LabError: a record is malformed or contradicts another; what was served before stays.
        """
        text = _zone_text(zone, records)
        with locked(self.directory):
            state = self._load()
            _replace(self._zone_file(zone), text)
            if zone in state.zones:
                self._knotc(f"-b zone-reload {zone}")
                return
            wanted = replace(state, zones=(*state.zones, zone))
            self._write(wanted)
            # First served, then delegated: a resolver that is sent here early would remember the refusal.
            self._knotc("reload", f"-b zone-reload {zone}", f"-b zone-reload {_parent(zone)}")
            self._save(wanted)

    def withdraw(self, zone: str) -> None:
        """Stop serving `zone`; see :class:`lab.world.World`."""
        with locked(self.directory):
            state = self._load()
            wanted = replace(state, zones=tuple(name for name in state.zones if name != zone))
            self._write(wanted)
            self._knotc(f"-b zone-reload {_parent(zone)}", "reload")
            self._zone_file(zone).unlink(missing_ok=True)
            self._save(wanted)

    def set_ptr(self, ipv4: str, name: str | None) -> None:
        """Serve `name` as the PTR of `ipv4`; see :class:`lab.world.World`."""
        zone = _reverse_zone(ipv4)
        with locked(self.directory):
            state = self._load()
            others = {address: known for address, known in state.ptr.items() if address != ipv4}
            wanted = replace(state, ptr={**others, ipv4: name} if name else others)
            self._write(wanted)
            self._knotc(f"-b zone-reload {zone}")
            self._save(wanted)

    def _knotc(self, *commands: str) -> None:
        script = " && ".join(f"knotc {command}" for command in commands)
        self.hosts.run(_HOST, ["sh", "-c", script], timeout=30)

    def _zone_file(self, zone: str) -> Path:
        return self.directory / "zones" / f"{'root' if zone == _ROOT else zone}.zone"

    def _write(self, state: _State) -> None:
        """Write what follows from `state`: our own zones and the list of published ones."""
        published = "".join(f"  - domain: {zone}\n" for zone in state.zones)
        _replace(self.directory / "published.conf", f"zone:\n{published}" if published else "")
        delegations = {zone: [f"{zone}. NS {NAMESERVER_NAME}"] for zone in (_TOP, *_REVERSE, *state.zones)}
        delegations[_TOP].append(f"{_TOP}. DS {state.ds}")
        address = f"{NAMESERVER_NAME} A {NAMESERVER}"
        for zone in (_ROOT, _TOP):
            children = [
                line for child, lines in delegations.items() if _parent(child) == zone for line in lines
            ]
            _replace(self._zone_file(zone), _zone_file_text(zone, [address, *children]))
        for zone in _REVERSE:
            names = [
                f"{_reverse(ip)} PTR {name}." for ip, name in state.ptr.items() if _reverse_zone(ip) == zone
            ]
            _replace(self._zone_file(zone), _zone_file_text(zone, names))

    def _load(self) -> _State:
        return _State(**json.loads((self.directory / "state.json").read_text()))

    def _save(self, state: _State) -> None:
        _replace(self.directory / "state.json", json.dumps(asdict(state)))


@dataclass(frozen=True)
class _State:
    """What is served: DS of `example.`, PTR names by address, published zones."""

    ds: str
    ptr: Mapping[str, str]
    zones: Sequence[str]


def _parent(zone: str) -> str:
    return _TOP if zone.endswith(f".{_TOP}") else _ROOT


def _reverse(ipv4: str) -> str:
    return f"{ipaddress.ip_address(ipv4).reverse_pointer}."


def _reverse_zone(ipv4: str) -> str:
    for zone in _REVERSE:
        if _reverse(ipv4).endswith(f".{zone}."):
            return zone
    raise LabError(f"{ipv4} is not in 198.18.0.0/15, so the lab holds no PTR of it")


def _zone_text(zone: str, records: Sequence[ResourceRecord]) -> str:
    lines = [f"{record.name}. {min(record.ttl, MAX_TTL)} {record.type} {record.rdata}" for record in records]
    text = _zone_file_text(zone, lines)
    try:
        dns.zone.from_text(text, origin=zone, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise LabError(f"zone {zone} cannot be served: {error}") from None
    return text


def _zone_file_text(zone: str, lines: Sequence[str]) -> str:
    apex = "." if zone == _ROOT else f"{zone}."
    contact, serial = "hostmaster.lab.example.", int(time.time())
    head = [
        f"$TTL {MAX_TTL}",
        f"{apex} SOA {NAMESERVER_NAME} {contact} {serial} 300 60 86400 {NEGATIVE_TTL}",
        f"{apex} NS {NAMESERVER_NAME}",
    ]
    return "\n".join([*head, *lines, ""])


def _resolver_files(anchor: DNSKEY) -> dict[str, str]:
    ds = dns.dnssec.make_ds(dns.name.root, anchor, "SHA256")
    return {
        "root.hints": f". 3600 NS {NAMESERVER_NAME}\n{NAMESERVER_NAME} 3600 A {NAMESERVER}\n",
        "root.key": f". IN DNSKEY {anchor.to_text()}\n",
        "root.ds": f". IN DS {ds.to_text()}\n",
    }


def _new_key(path: Path) -> DNSKEY:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem)
    return dns.dnssec.make_dnskey(key.public_key(), "ECDSAP256SHA256", flags=Flag.ZONE | Flag.SEP)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.rename(path)
