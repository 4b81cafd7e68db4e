"""What an emulated provider may do to the lab's world: boot a host, hold a PTR, publish a zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ResourceRecord:
    """One record as an authoritative server serves it.

    Args:
        name: owner name, absolute, without the trailing dot (the zone's own name for its apex).
        type: record type in capitals.
        ttl: seconds.
        rdata: presentation format (RFC 1035 section 5), names in it absolute with a trailing dot.
    """

    name: str
    type: str
    ttl: int
    rdata: str


class World(Protocol):
    """The lab as an emulated provider sees it. Every call is idempotent and returns when it holds."""

    def boot(self, host: str, ipv4: str, ssh_keys: Sequence[str]) -> None:
        """Boot a bare Debian 13 host; `ssh_keys` are authorised for root. Returns without waiting for SSH."""

    def destroy(self, host: str) -> None:
        """Stop a host and forget its disk."""

    def set_ptr(self, ipv4: str, name: str | None) -> None:
        """Serve `name` as the PTR of `ipv4`; None removes it."""

    def publish(self, zone: str, records: Sequence[ResourceRecord]) -> None:
        """Serve exactly these records as `zone`, beside the server's own SOA and NS."""

    def withdraw(self, zone: str) -> None:
        """Stop serving `zone`."""
