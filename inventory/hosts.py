"""The fleet as hosts of a pyinfra inventory: plain data, no secret in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inventory.allocation import Allocation, Role, Server


@dataclass(frozen=True)
class Host:
    """One host of the inventory.

    Args:
        name: the server's name in the fleet, which `--limit` takes: `n1`.
        fqdn: its host name, HELO, A and PTR.
        groups: ``("nodes",)`` or ``("orchestrator",)``.
        data: what `host.data` offers a deploy, JSON-plain: see :func:`hosts`.
    """

    name: str
    fqdn: str
    groups: tuple[str, ...]
    data: Mapping[str, Any]


class HostsError(ValueError):
    """The fleet cannot be turned into hosts to connect to: one line for each thing that is missing."""


class AddressError(HostsError):
    """Some servers have no address yet; `servers` are those."""

    def __init__(self, servers: Collection[Server]) -> None:
        super().__init__(
            "\n".join(
                f"{server.fqdn} has no address: order it with `outreach apply --only servers,dns`, "
                f"or write `ipv4:` for {server.name} in the fleet file"
                for server in servers
            )
        )
        self.servers = tuple(servers)


def hosts(
    allocation: Allocation,
    addresses: Mapping[str, str],
    *,
    known_hosts: Path,
    ssh_key: str | None = None,
    only: Collection[str] | None = None,
) -> tuple[Host, ...]:
    """Describe each server to pyinfra, the orchestrator first.

    `data` holds: `role` ("node" or "orchestrator"), `fleet_name`, `fqdn`, `infra_domain`, `ipv4`,
    `orchestrator_ipv4`, `operator_addresses` (CIDR), `ssh_keys`, `domains` (a list of `name`, `selector`,
    `dkim_bits`, `accounts` (a list of `address`, `display_name`)), `report_domain` (whose DMARC and TLS
    reports this host takes, or None), `limits` (as in the file), and what pyinfra's SSH connector reads:
    `ssh_hostname`, `ssh_user`, `ssh_known_hosts_file`, `ssh_strict_host_key_checking`, `ssh_key`. The
    orchestrator also has `nodes` (address by name, None while it is not known), `services`, `n8n_workers`,
    `fleet` (the whole fleet file) and `backups` (None, or `recipients`, `keep_days` and `hour` as in the
    file).

    Args:
        allocation: the fleet with every domain at home.
        addresses: IPv4 address by server name; one in the fleet file stands where it is missing here.
        known_hosts: the pinned host keys, which must exist for a connection.
        ssh_key: path of the private key; without it pyinfra asks the agent.
        only: names of the servers wanted; all without it.

    Raises:
        AddressError: for wanted servers, or an orchestrator, without an address.
        HostsError: without a single operator's key, because converging would lock everybody out.
    """
    if not allocation.fleet.operators.ssh_keys:
        raise HostsError("operators.ssh_keys is empty and OUTREACH_SSH_KEY is not set: nobody could log in")
    wanted = [server for server in allocation.servers if only is None or server.name in only]
    known = {server.name: str(server.ipv4) for server in allocation.servers if server.ipv4} | dict(addresses)
    missing = [server for server in allocation.servers if server.name not in known]
    missing = [server for server in missing if server in wanted or server.role is Role.ORCHESTRATOR]
    if missing:
        raise AddressError(missing)
    shared = _shared(allocation, known[allocation.orchestrator.name], known_hosts, ssh_key)
    return tuple(
        Host(
            name=server.name,
            fqdn=server.fqdn,
            groups=("orchestrator",) if server.role is Role.ORCHESTRATOR else ("nodes",),
            data=shared
            | {
                "role": server.role.value,
                "fqdn": server.fqdn,
                "ipv4": known[server.name],
                "ssh_hostname": known[server.name],
                "domains": _domains(allocation, server),
                # The infra domain's MX is the first node (deploys/dns): the fleet's reports arrive there.
                "report_domain": allocation.fleet.infra_domain if server == allocation.nodes[0] else None,
            }
            | (_orchestrator(allocation, known) if server.role is Role.ORCHESTRATOR else {}),
        )
        for server in wanted
    )


def known_hosts_file(fleet_file: Path) -> Path:
    """Where the host keys of a fleet are pinned: beside its file, `fleet.known_hosts`."""
    return fleet_file.absolute().with_suffix(".known_hosts")


def _shared(
    allocation: Allocation, orchestrator: str, known_hosts: Path, ssh_key: str | None
) -> dict[str, Any]:
    fleet = allocation.fleet
    shared: dict[str, Any] = {
        "fleet_name": fleet.name,
        "infra_domain": fleet.infra_domain,
        "orchestrator_ipv4": orchestrator,
        "operator_addresses": [str(network) for network in fleet.operators.addresses],
        "ssh_keys": list(fleet.operators.ssh_keys),
        "limits": fleet.limits.model_dump(mode="json"),
        "ssh_user": "root",
        "ssh_known_hosts_file": str(known_hosts),
        "ssh_strict_host_key_checking": "yes",
    }
    return shared | ({"ssh_key": ssh_key} if ssh_key else {})


def _orchestrator(allocation: Allocation, known: Mapping[str, str]) -> dict[str, Any]:
    orchestrator, backups = allocation.fleet.orchestrator, allocation.fleet.backups
    return {
        "nodes": {node.name: known.get(node.name) for node in allocation.nodes},
        "services": list(orchestrator.services),
        "n8n_workers": orchestrator.n8n_workers,
        "fleet": allocation.fleet.model_dump(mode="json"),
        "backups": backups.model_dump(mode="json", exclude={"to"}) if backups else None,
    }


def _domains(allocation: Allocation, server: Server) -> list[dict[str, Any]]:
    dkim = allocation.fleet.dkim
    return [
        {
            "name": home.domain,
            "selector": dkim.selector,
            "dkim_bits": dkim.bits,
            "accounts": [
                {"address": account.address, "display_name": account.display_name}
                for account in home.accounts()
            ],
        }
        for home in allocation.homes_on.get(server.name, ())
    ]
