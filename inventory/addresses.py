"""Where the servers are: by the fleet file, else by their pinned host keys, else by DNS."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inventory.allocation import Allocation, Server
from inventory.hostkeys import read_pins

_PARALLEL = 32


def resolve(allocation: Allocation) -> dict[str, str]:
    """Return the IPv4 address by server name, of those servers that have one in the file or an A record.

    A name that does not resolve is left out: :func:`inventory.hosts` names it with what to do.
    """
    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = pool.map(_address, allocation.servers)
        return {
            server.name: address
            for server, address in zip(allocation.servers, found, strict=True)
            if address is not None
        }


def addresses(allocation: Allocation, known_hosts: Path) -> dict[str, str]:
    """Where the servers should be: by the fleet file, else by the pinned host keys, else by DNS.

    Not by DNS alone, whose answers are among what is judged.

    Args:
        allocation: the fleet.
        known_hosts: the file in which `apply` pins a host's name, address and key.
    """
    text = known_hosts.read_text(encoding="utf-8") if known_hosts.exists() else ""
    pinned = {name: pin.names for pin in read_pins(text) for name in pin.names}
    found = {
        server.name: address
        for server in allocation.servers
        if server.ipv4 is None
        for address in pinned.get(server.fqdn, ())
        if address != server.fqdn
    }
    missing = [server for server in allocation.servers if server.name not in found]
    return {**(resolve(allocation) if missing else {}), **found}


def _address(server: Server) -> str | None:
    if server.ipv4 is not None:
        return str(server.ipv4)
    try:
        answers = socket.getaddrinfo(server.fqdn, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(answers[0][4][0])
