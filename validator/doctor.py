"""Before a list is checked: is this machine in a state to ask?"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from validator import wire
from validator.dial import Connector
from validator.resolver import DnsError, Questions
from validator.route import find_addresses, find_route
from validator.settings import Settings
from validator.transport import LinkError

# Lists that answer for an IPv4 address by DNS: 127.255.255.x is an error code, any other 127.x a listing.
BLOCK_LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: What.
        ok: True, False, or None if it could not be found out.
        says: What was found, in plain words.
        advice: What to do about it; empty if nothing.
    """

    name: str
    ok: bool | None
    says: str
    advice: str = ""


async def examine(settings: Settings, dns: Questions, connector: Connector, *, via: str) -> list[Finding]:
    """Look at everything that makes servers refuse us.

    Args:
        settings: Our name, sender and sources.
        dns: Where to ask.
        connector: How to dial.
        via: A domain whose exchanger is greeted to see whether the mail port is open.
    """
    findings = []
    for source in settings.sources:
        seen_as = source or _usual_source()
        findings.append(await _port(settings, dns, connector, source, via))
        if seen_as:
            findings.append(await _names(settings, dns, seen_as))
            findings.append(await _listed(dns, seen_as))
    findings.append(await _sender_mx(settings, dns))
    findings.append(await _sender_spf(settings, dns))
    return findings


async def _port(settings: Settings, dns: Questions, connector: Connector, source: str, via: str) -> Finding:
    name = f"port {settings.smtp_port}{f' from {source}' if source else ''}"
    route = await find_route(dns, via)
    if route.status is not None:
        return Finding(name, None, f"could not be tried: {route.details}", "Check the resolver.")
    family = (wire.AAAA,) if ":" in source else (wire.A,)
    host = route.hosts[0].name
    found = await find_addresses(dns, host, family, allow_private=settings.allow_private)
    if not found.usable:
        return Finding(
            name, None, f"could not be tried: {host} has no address for this source.", "Name another --via."
        )
    times = settings.timeouts
    try:
        link = await connector(found.usable[0], settings.smtp_port, source, times.connect, None)
        answers = await link.exchange(b"", times.banner)
        link.leave(lambda: None, times.goodbye)
    except LinkError as error:
        advice = "Ask your provider to open outgoing port 25, or check from a node where it is open."
        return Finding(name, False, f"is closed: {error}.", advice)
    return Finding(name, True, f"is open: {host} answered {answers[0].reply.code}.")


async def _names(settings: Settings, dns: Questions, source: str) -> Finding:
    title = f"names of {source}"
    reverse = ipaddress.ip_address(source).reverse_pointer
    kind = wire.AAAA if ":" in source else wire.A
    try:
        back = [str(value) for value in (await dns.ask(reverse, wire.PTR)).values]
        forth = [str(value) for value in (await dns.ask(settings.helo, kind)).values]
    except DnsError as error:
        return Finding(title, None, f"could not be looked up: {error}.", "Check the resolver.")
    helo = settings.helo.lower()
    if not back:
        return Finding(
            title, False, "have no PTR record.", f"Set the PTR of {source} to {helo} at your provider."
        )
    if helo not in back:
        return Finding(title, False, f"PTR is {back[0]}, EHLO says {helo}.", "Make them the same name.")
    if source not in forth:
        where = ", ".join(forth) or "nowhere"
        return Finding(
            title, False, f"{helo} points to {where}, not to {source}.", f"Point {helo} at {source}."
        )
    return Finding(title, True, f"agree: EHLO, PTR and address record are {helo}.")


async def _listed(dns: Questions, source: str) -> Finding:
    title = f"block lists for {source}"
    if ":" in source:
        return Finding(title, None, "are asked for IPv4 only.")
    reverse = ".".join(reversed(source.split(".")))
    answers = await asyncio.gather(*(_lookup(dns, f"{reverse}.{zone}") for zone in BLOCK_LISTS))
    hits = [zone for zone, answer in zip(BLOCK_LISTS, answers, strict=True) if answer]
    unknown = [zone for zone, answer in zip(BLOCK_LISTS, answers, strict=True) if answer is None]
    if hits:
        return Finding(
            title, False, f"name it: {', '.join(hits)}.", "Find the cause, mend it, then ask for removal."
        )
    if len(unknown) == len(BLOCK_LISTS):
        return Finding(
            title, None, "did not answer; public resolvers are refused there.", "Use a resolver of your own."
        )
    return Finding(title, True, "do not name it.")


async def _lookup(dns: Questions, name: str) -> bool | None:
    try:
        answer = await dns.ask(name, wire.A)
    except DnsError:
        return None
    values = [str(value) for value in answer.values]
    if any(value.startswith("127.255.255.") for value in values):
        return None
    return any(value.startswith("127.") for value in values)


async def _sender_mx(settings: Settings, dns: Questions) -> Finding:
    domain = settings.sender.rpartition("@")[2]
    title = f"MX of the sender's domain {domain}"
    try:
        answer = await dns.ask(domain, wire.MX)
    except DnsError as error:
        return Finding(title, None, f"could not be looked up: {error}.", "Check the resolver.")
    if answer.values:
        return Finding(title, True, "exists.")
    return Finding(
        title, False, "is missing.", "Servers refuse senders that cannot be answered: give the domain an MX."
    )


async def _sender_spf(settings: Settings, dns: Questions) -> Finding:
    domain = settings.sender.rpartition("@")[2]
    title = f"SPF of the sender's domain {domain}"
    try:
        answer = await dns.ask(domain, wire.TXT)
    except DnsError as error:
        return Finding(title, None, f"could not be looked up: {error}.", "Check the resolver.")
    records = [
        value for value in answer.values if isinstance(value, str) and value.lower().startswith("v=spf1")
    ]
    if len(records) == 1:
        return Finding(title, True, f"says: {records[0]}")
    if records:
        return Finding(
            title, False, f"there are {len(records)} records.", "Keep one: more are an error (RFC 7208)."
        )
    return Finding(
        title, False, "is missing.", "Publish a TXT record v=spf1 that names the source addresses."
    )


def _usual_source() -> str:
    """The address the system would dial from; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])
