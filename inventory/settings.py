"""What a deploy reads of `host.data`, typed: see :func:`inventory.hosts.hosts` for where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from inventory.model import Fleet


@dataclass(frozen=True)
class SendingDomain:
    """A domain at home on a node.

    Args:
        name: the domain.
        selector: of its DKIM key.
        dkim_bits: size of its RSA key.
        accounts: addresses of its mailboxes.
    """

    name: str
    selector: str
    dkim_bits: int
    accounts: tuple[str, ...]


@dataclass(frozen=True)
class Backups:
    """What is made of the orchestrator every night.

    Args:
        recipients: age public keys.
        keep_days: how long an archive stays.
        hour: UTC.
    """

    recipients: tuple[str, ...]
    keep_days: int
    hour: int


@dataclass(frozen=True)
class Orchestrator:
    """What the orchestrator alone knows.

    Args:
        nodes: address by node, None while it is not known.
        services: what runs on it besides: `n8n`.
        fleet: the fleet file.
        n8n_workers: how many processes carry out n8n's workflows.
        backups: what is made of it every night; None for nothing.
    """

    nodes: Mapping[str, str | None]
    services: frozenset[str]
    fleet: Fleet
    n8n_workers: int = 1
    backups: Backups | None = None

    @property
    def node_networks(self) -> tuple[str, ...]:
        """The nodes' own addresses, sorted as nftables lists them."""
        return tuple(f"{address}/32" for address in sorted(filter(None, self.nodes.values()), key=ip_address))


@dataclass(frozen=True)
class Settings:
    """One host as its deploys see it.

    Args:
        fqdn: full host name: HELO, A and PTR.
        sends_mail: it is a node.
        fleet: name of the fleet.
        infra_domain: zone of the host names.
        ipv4: its own address.
        operator_networks: who may reach SSH, submission and IMAP; the orchestrator is one of them.
        ssh_keys: public keys that may log in as root.
        domains: those at home here.
        report_domain: domain whose DMARC and TLS reports end here, if any.
        orchestrator_ipv4: the only address that a node's REST service answers to.
        orchestrator: what only the orchestrator has; None on a node.
        known_hosts: the file on this machine in which the fleet's host keys are pinned.
        force: what was edited by hand may be overwritten, where that is asked about at all.
    """

    fqdn: str
    sends_mail: bool
    fleet: str
    infra_domain: str
    ipv4: str
    operator_networks: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    domains: tuple[SendingDomain, ...]
    report_domain: str | None
    orchestrator_ipv4: str
    orchestrator: Orchestrator | None = None
    known_hosts: str = ""
    force: bool = False

    @property
    def label(self) -> str:
        """The first label of the host name."""
        return self.fqdn.partition(".")[0]


def settings(data: Mapping[str, Any]) -> Settings:
    """Read one host's data.

    Raises:
        KeyError: naming the key that is missing.
    """
    return Settings(
        fqdn=data["fqdn"],
        sends_mail=data["role"] == "node",
        fleet=data["fleet_name"],
        infra_domain=data["infra_domain"],
        ipv4=data["ipv4"],
        operator_networks=(f"{data['orchestrator_ipv4']}/32", *data["operator_addresses"]),
        ssh_keys=tuple(data["ssh_keys"]),
        domains=tuple(
            SendingDomain(
                name=domain["name"],
                selector=domain["selector"],
                dkim_bits=domain["dkim_bits"],
                accounts=tuple(account["address"] for account in domain["accounts"]),
            )
            for domain in data["domains"]
        ),
        report_domain=data.get("report_domain"),
        orchestrator_ipv4=data["orchestrator_ipv4"],
        orchestrator=_orchestrator(data) if data["role"] == "orchestrator" else None,
        known_hosts=data.get("ssh_known_hosts_file", ""),
        force=data.get("force", False),
    )


def _orchestrator(data: Mapping[str, Any]) -> Orchestrator:
    found = data.get("backups")
    backups = found and Backups(tuple(found["recipients"]), found["keep_days"], found["hour"])
    return Orchestrator(
        data["nodes"],
        frozenset(data["services"]),
        Fleet.model_validate(data["fleet"]),
        data.get("n8n_workers", 1),
        backups,
    )
