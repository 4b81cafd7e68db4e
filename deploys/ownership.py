"""How we mark what we make, so that what others made is never changed, and two fleets never meet."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

MANAGED_BY = "outreach"


@dataclass(frozen=True)
class Identity:
    """One fleet's names and marks at its providers.

    Args:
        fleet: the fleet's name, one DNS label.
        infra_domain: the zone of its host names.
        declared: host label by IPv4, of the servers that the fleet file says exist already.
    """

    fleet: str
    infra_domain: str
    declared: Mapping[str, str] = field(default_factory=dict)

    def fqdn(self, host: str) -> str:
        """A host's full name: its HELO, its A and its PTR."""
        return f"{host}.{self.infra_domain}"

    @property
    def labels(self) -> dict[str, str]:
        """Hetzner labels of everything that is ours."""
        return {"managed-by": MANAGED_BY, "fleet": self.fleet}

    @property
    def comment(self) -> str:
        """Comment of every DNS record that is ours. Cloudflare allows 100 characters on its free plan."""
        return f"managed-by={MANAGED_BY} fleet={self.fleet}"

    @property
    def suffix(self) -> str:
        """How our names end where a vendor has no labels. No label holds a dot: no two fleets collide."""
        return f".{self.fleet}.{MANAGED_BY}"

    def named(self, part: str) -> str:
        """Our name of a thing, such as a Contabo server's display name: `n1.seed.outreach`."""
        return part + self.suffix

    def part(self, name: str) -> str | None:
        """What :meth:`named` was given, or None if the name is not ours."""
        return name.removesuffix(self.suffix) if name.endswith(self.suffix) else None

    def key_name(self, public_key: str) -> str:
        """Our name of an SSH key: its content is in the name, where a vendor's list does not show it."""
        return self.named(f"key-{fingerprint(public_key)[:16]}")


def bare_key(line: str) -> str:
    """An OpenSSH public key line without its comment.

    Raises:
        ValueError: it is not such a line.
    """
    kind, _, rest = line.strip().partition(" ")
    blob = rest.split(" ", 1)[0]
    try:
        decoded = base64.b64decode(blob, validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded[4:].startswith(kind.encode()) or not kind:
        raise ValueError(f"{line[:40]!r} is not an OpenSSH public key line")
    return f"{kind} {blob}"


def known_key(line: str) -> str:
    """A key that somebody else may have put at a vendor, bare; empty if it is of a kind we do not know."""
    try:
        return bare_key(line)
    except ValueError:
        return ""


def fingerprint(public_key: str) -> str:
    """MD5 of the key blob in hexadecimal, as vendors still name keys (RFC 4716 section 4)."""
    blob = base64.b64decode(bare_key(public_key).split(" ")[1])
    return hashlib.md5(blob, usedforsecurity=False).hexdigest()
