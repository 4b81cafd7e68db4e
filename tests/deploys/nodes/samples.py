"""Hosts as the inventory describes them, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inventory import load_fleet
from inventory.settings import Settings, settings

INFRA = "infra.example"
FLEET = load_fleet(Path(__file__).parents[3] / "fleet.yaml")


def host_data(name: str, ipv4: str, **over: Any) -> dict[str, Any]:
    """The data of a node (an orchestrator with `role`) with two domains of two accounts each."""
    domains = [
        {
            "name": f"{name}-{label}.example",
            "selector": "s1",
            "dkim_bits": 2048,
            "accounts": [
                {"address": f"{person}@{name}-{label}.example", "display_name": person.title()}
                for person in ("ann", "bob")
            ],
        }
        for label in ("alpha", "bravo")
    ]
    return {
        "role": "node",
        "fleet_name": "test",
        "fqdn": f"{name}.{INFRA}",
        "infra_domain": INFRA,
        "ipv4": ipv4,
        "orchestrator_ipv4": "198.18.1.1",
        "operator_addresses": ["198.18.0.1/32"],
        "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOmyN+lxHJt1ywPbkXV0CoA7smd7fEEfCoE1ORd0r+kb ops"],
        "domains": domains if over.get("role", "node") == "node" else [],
        "limits": {},
        "nodes": {"n1": "198.18.2.1", "n2": "198.18.2.2"},
        "services": [],
        "fleet": FLEET.model_dump(mode="json"),
        **over,
    }


def node(**over: Any) -> Settings:
    """A node as its deploys see it."""
    return settings(host_data("n1", "198.18.2.1", **over))
