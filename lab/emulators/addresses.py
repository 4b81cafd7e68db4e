"""The addresses a vendor hands out."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from lab.emulators.store import Store

_RESERVED = 10
"""Hosts of a network below this number are the lab's own."""


class AddressPool:
    """Hands out the next address after the last one, so that a freed one is not soon another server's."""

    def __init__(self, store: Store, name: str, *networks: str) -> None:
        self._store = store
        self._sequence = f"{name}.address"
        self._pool: list[IPv4Address] = [
            address for network in networks for address in list(IPv4Network(network).hosts())[_RESERVED - 1 :]
        ]

    def take(self, used: Iterable[str]) -> str | None:
        """A free address, or None if every one is used."""
        taken = set(used)
        for _attempt in self._pool:
            address = str(self._pool[self._store.number(self._sequence, 0) % len(self._pool)])
            if address not in taken:
                return address
        return None
