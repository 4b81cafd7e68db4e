"""What a fleet wants of its providers: pure, from its file, its allocation and what only the world knows."""

from __future__ import annotations

from deploys.dns.records import Naming, domain_records, infra_records, pool_name
from deploys.ownership import Identity, bare_key
from deploys.world import Facts, Firewall, Server, SshKey, Wanted
from inventory.allocation import Allocation
from inventory.model import Fleet, Provider


def identity(allocation: Allocation) -> Identity:
    """The names and marks of a fleet at its providers."""
    fleet = allocation.fleet
    declared = {str(server.ipv4): server.name for server in allocation.servers if server.ipv4}
    return Identity(fleet.name, fleet.infra_domain, declared)


def wanted(allocation: Allocation, facts: Facts) -> Wanted:
    """The world as the fleet wants it.

    Args:
        allocation: the fleet, with every domain at home.
        facts: addresses and keys where they are known; holes stand for the others.

    Raises:
        ValueError: an operator's SSH key is not a public key line.
    """
    fleet = allocation.fleet
    naming = Naming(
        infra=fleet.infra_domain,
        selector=fleet.dkim.selector,
        dmarc_policy=fleet.dns.dmarc_policy,
        caa=fleet.dns.caa,
        ttl=fleet.dns.ttl,
    )
    nodes = [node.name for node in allocation.nodes]
    pools = {name: pool_name(position) for position, name in enumerate(nodes)}
    homes = {home.domain: home.node for home in allocation.homes}
    records = infra_records(naming, allocation.orchestrator.name, nodes, homes, facts)
    for domain, node in homes.items():
        records += domain_records(naming, domain, node, pools[node], facts)
    return Wanted(
        keys=_keys(allocation),
        firewalls=_firewalls(allocation),
        servers=_servers(allocation, facts),
        zones=(fleet.infra_domain, *homes),
        records=tuple(records),
    )


def _servers(allocation: Allocation, facts: Facts) -> tuple[Server, ...]:
    return tuple(
        Server(
            provider=str(server.provider),
            host=server.name,
            type=server.type,
            location=server.location,
            image=server.image,
            term_months=server.term_months,
            ipv4=str(server.ipv4) if server.ipv4 else facts.addresses.get(server.name),
            ptr=server.fqdn,
            ordered=server.ipv4 is None,
        )
        for server in allocation.servers
    )


def _keys(allocation: Allocation) -> tuple[SshKey, ...]:
    """The operators' keys at every vendor that a server is ordered from."""
    names = identity(allocation)
    keys = dict.fromkeys(bare_key(line) for line in allocation.fleet.operators.ssh_keys)
    vendors = dict.fromkeys(str(server.provider) for server in allocation.servers if server.ipv4 is None)
    return tuple(SshKey(vendor, names.key_name(key), key) for vendor in vendors for key in keys)


def _firewalls(allocation: Allocation) -> tuple[Firewall, ...]:
    """Hetzner's firewall before the orchestrator. Nodes bring their own, which knows more (deploys/base)."""
    orchestrator = allocation.orchestrator
    if orchestrator.provider is not Provider.HETZNER:
        return ()
    rules = _orchestrator_rules(allocation.fleet)
    name = identity(allocation).named(orchestrator.name)
    return (Firewall(str(orchestrator.provider), name, rules, (orchestrator.name,)),)


def _orchestrator_rules(fleet: Fleet) -> tuple[str, ...]:
    """SSH and n8n from the operators' networks; ping, path MTU discovery, ACME and NATS from anywhere.

    Anywhere, because the nodes' addresses are not known before they are ordered; the host's own firewall lets
    NATS in from the nodes alone.
    """
    n8n = "n8n" in fleet.orchestrator.services
    ports = (22, 443) if n8n else (22,)
    operators = [f"tcp {port} {network}" for port in ports for network in fleet.operators.addresses]
    everyone = ["icmp - 0.0.0.0/0", "tcp 4222 0.0.0.0/0", *(["tcp 80 0.0.0.0/0"] if n8n else [])]
    return tuple(sorted([*operators, *everyone]))
