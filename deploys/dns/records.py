"""Every DNS record a fleet publishes, from its file and what only the world knows. No I/O.

One function for a sending domain's zone, one for the infrastructure's. Nothing of ours is proxied, and
nothing replaces what a website at the same name needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from deploys.symbolic import Text, Unknown, text
from deploys.world import Facts, Record

POOL_SIZE = 12
"""ip4 terms of one SPF pool: keeps the answer below some 450 octets, so below one UDP packet anywhere."""

DMARC_REPORTS = "dmarc-reports"
TLS_REPORTS = "tls-reports"


@dataclass(frozen=True)
class Naming:
    """What all records of a fleet share.

    Args:
        infra: the zone of host names, SPF pools and report mailboxes.
        selector: the DKIM selector.
        dmarc_policy: `none`, `quarantine` or `reject`, for the sending domains.
        caa: certificate authorities allowed; empty publishes no CAA.
        ttl: seconds.
    """

    infra: str
    selector: str
    dmarc_policy: str
    caa: tuple[str, ...]
    ttl: int

    def fqdn(self, host: str) -> str:
        """A host's full name."""
        return f"{host}.{self.infra}"

    @property
    def reports(self) -> str:
        """The tags that ask receivers for aggregate reports (RFC 9989)."""
        return f"rua=mailto:{DMARC_REPORTS}@{self.infra}"


def address_of(host: str) -> str:
    """The name of the hole that a host's address fills."""
    return f"ipv4 of {host}"


def dkim_of(domain: str) -> str:
    """The name of the hole that a domain's public key fills."""
    return f"dkim key of {domain}"


def pool_name(position: int) -> str:
    """The pool of the node at `position`, counted from 0: a, b ... z, aa, ab ..."""
    index, letters = position // POOL_SIZE, ""
    while index >= 0:
        letters = ascii_lowercase[index % 26] + letters
        index = index // 26 - 1
    return letters


def domain_records(naming: Naming, domain: str, node: str, pool: str, facts: Facts) -> list[Record]:
    """The records of one sending domain, whose mail leaves from and arrives at `node`."""

    def record(name: str, kind: str, value: Text) -> Record:
        return Record(domain, f"{name}.{domain}" if name else domain, kind, value, naming.ttl, (node,))

    key = facts.dkim.get(domain) or Unknown(dkim_of(domain))
    policy = f"v=DMARC1; p={naming.dmarc_policy}; sp=reject; np=reject; adkim=r; aspf=r; {naming.reports}"
    return [
        record("", "MX", f"10 {naming.fqdn(node)}"),
        # One lookup; a replaced node edits the pool, not each domain (RFC 7208 section 4.6.4).
        record("", "TXT", f"v=spf1 include:_pool-{pool}.{naming.infra} -all"),
        record(f"{naming.selector}._domainkey", "TXT", text("v=DKIM1; k=rsa; p=", key)),
        record("_dmarc", "TXT", policy),
        record("_smtp._tls", "TXT", _tls_reports(naming)),
        *(record("", "CAA", f'0 issue "{ca}"') for ca in naming.caa),
    ]


def infra_records(
    naming: Naming, orchestrator: str, nodes: Sequence[str], domains: Mapping[str, str], facts: Facts
) -> list[Record]:
    """The records of the infrastructure zone.

    Args:
        naming: what all records share.
        orchestrator: label of the orchestrator.
        nodes: labels of the nodes, in the order that assigns them to SPF pools.
        domains: home node by sending domain.
        facts: what only the world knows.
    """

    def record(name: str, kind: str, value: Text, *hosts: str) -> Record:
        owner = f"{name}.{naming.infra}" if name else naming.infra
        return Record(naming.infra, owner, kind, value, naming.ttl, hosts)

    def address(host: str) -> Text:
        return facts.addresses.get(host) or text(Unknown(address_of(host)))

    records = [
        # Reports from all over the fleet arrive at the first node.
        record("", "MX", f"10 {naming.fqdn(nodes[0])}", nodes[0]),
        record("", "TXT", "v=spf1 -all"),
        # Names in this zone send nothing but bounces, as HELO identity, which their own SPF record covers.
        record("_dmarc", "TXT", f"v=DMARC1; p=reject; sp=reject; np=reject; {naming.reports}"),
        record("_smtp._tls", "TXT", _tls_reports(naming)),
        *(record("", "CAA", f'0 issue "{ca}"') for ca in naming.caa),
        record(orchestrator, "A", address(orchestrator), orchestrator),
        record(orchestrator, "MX", "0 .", orchestrator),  # accepts no mail (RFC 7505)
        record(orchestrator, "TXT", "v=spf1 -all", orchestrator),
    ]
    for node in nodes:
        records.append(record(node, "A", address(node), node))
        records.append(record(node, "TXT", "v=spf1 a -all", node))  # HELO identity (RFC 7208 section 2.3)
    for start in range(0, len(nodes), POOL_SIZE):
        members = nodes[start : start + POOL_SIZE]
        records.append(record(f"_pool-{pool_name(start)}", "TXT", _pool(members, facts), *members))
    # Each domain's consent to receive its reports here (RFC 9990); a wildcard would invite junk.
    records += [
        record(f"{domain}._report._dmarc", "TXT", "v=DMARC1;", node) for domain, node in domains.items()
    ]
    return records


def reported_domain(record: Record) -> str | None:
    """The domain whose reports `record` admits to its zone: the mark that it is or was of the fleet."""
    suffix = f"._report._dmarc.{record.zone}"
    return record.name.removesuffix(suffix) if record.name.endswith(suffix) else None


def _pool(members: Sequence[str], facts: Facts) -> Text:
    terms = [
        f" ip4:{facts.addresses[host]}"
        if host in facts.addresses
        else Unknown(address_of(host), prefix=" ip4:", optional=True)
        for host in members
    ]
    return text("v=spf1", *terms, " -all")


def _tls_reports(naming: Naming) -> str:
    return f"v=TLSRPTv1; rua=mailto:{TLS_REPORTS}@{naming.infra}"  # RFC 8460 section 3
