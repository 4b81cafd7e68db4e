"""Proofs about DNS, asked of the resolver that an operator would use."""

from __future__ import annotations

import dns.resolver

from inventory.places import dkim_key
from lab.proofs.scene import Disproved, Scene


def dns_matches_keys(scene: Scene) -> str:
    """The DKIM key that DNS publishes is the public half of the key on the node's disk."""
    seen = 0
    for host in scene.nodes:
        for domain in {mailbox.domain for mailbox in scene.mailboxes[host]}:
            selector = scene.selectors[domain]
            answer = dns.resolver.resolve(f"{selector}._domainkey.{domain}", "TXT")
            published = b"".join(answer[0].strings).decode().replace(" ", "").partition("p=")[2].rstrip(";")
            path = dkim_key(domain, selector)
            pem = scene.run(Scene.label(host), ["openssl", "pkey", "-in", path, "-pubout"])
            on_disk = "".join(line for line in pem.splitlines() if not line.startswith("-"))
            if published != on_disk:
                raise Disproved(f"{selector}._domainkey.{domain} is not the key in {host}:{path}")
            seen += 1
    return f"{seen} published keys equal the keys on disk"


def addresses_agree(scene: Scene) -> str:
    """Every node's A and PTR name each other (forward-confirmed reverse DNS)."""
    for host, address in scene.nodes.items():
        forward = [record.address for record in dns.resolver.resolve(host, "A")]
        reverse = [str(record.target).rstrip(".") for record in dns.resolver.resolve_address(address)]
        if forward != [address] or reverse != [host]:
            raise Disproved(f"{host}: A {forward}, PTR of {address} {reverse}")
    return ", ".join(f"{host} = {address}" for host, address in scene.nodes.items())


def nodes_validate(scene: Scene) -> str:
    """Each node's own resolver validates DNSSEC: the root's answer carries the AD flag."""
    for host in scene.nodes:
        output = scene.run(
            Scene.label(host), ["unbound-host", "-C", "/etc/unbound/unbound.conf", "-v", "-t", "SOA", "."]
        )
        if "(secure)" not in output:
            raise Disproved(f"{host}: {output.strip()}")
    return f"the root's SOA is secure on {len(scene.nodes)} nodes"
