"""Fleet files of any size, and the values that pure tests compare."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from pathlib import Path

from costs.money import Monthly
from deploys.plan import Cost
from deploys.world import Facts, Server
from inventory import Allocation, allocate, load_fleet
from tests.emulators import ACCOUNT


def public_key(name: str) -> str:
    """A well-formed OpenSSH public key line that stands for nobody."""
    seed = hashlib.sha256(name.encode()).digest()
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4) + kind + len(seed).to_bytes(4) + seed
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {name}"


def fleet_text(nodes: int = 2, domains: int = 4, *, extra: str = "", type: str = "V153") -> str:  # noqa: A002
    """A fleet file: hub at Hetzner, n1 ... at Contabo, d1.example ..., five domains a node."""
    names = "\n".join(f"  - d{number}.example" for number in range(1, domains + 1))
    return f"""\
version: 1
name: proof
infra_domain: infra.example
sender:
  legal_name: Proof GmbH
  postal_address: Musterweg 1, 10115 Berlin, Germany
operators:
  ssh_keys: ["{public_key("anna")}"]
  addresses: [192.0.2.10/32]
nodes:
  - name: n
    count: {nodes}
    type: {type}
domains:
{names}
accounts:
  per_domain: 2
  names: [Anna Berg, Jonas Weber]
dns:
  account: {ACCOUNT}
{extra}"""


def allocation(path: Path, text: str | None = None) -> Allocation:
    """The fleet of a file's text, at home."""
    path.write_text(text or fleet_text())
    return allocate(load_fleet(path))


def facts(fleet: Allocation) -> Facts:
    """Every address and every key."""
    addresses = {server.name: f"198.51.100.{at}" for at, server in enumerate(fleet.servers, 10)}
    keys = {home.domain: base64.b64encode(home.domain.encode() * 20).decode() for home in fleet.homes}
    return Facts(addresses, keys)


def price(server: Server) -> tuple[Cost, ...]:
    """Six a month for a server, whatever it is."""
    return (Cost(f"{server.provider} {server.type} ({server.host})", Monthly(Decimal(6), "EUR")),)
