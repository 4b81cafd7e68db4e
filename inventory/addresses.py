"""Where the servers are: by the fleet file, else by DNS."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from inventory.allocation import Allocation, Server

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


def _address(server: Server) -> str | None:
    if server.ipv4 is not None:
        return str(server.ipv4)
    try:
        answers = socket.getaddrinfo(server.fqdn, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(answers[0][4][0])
