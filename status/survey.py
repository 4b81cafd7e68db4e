"""One run: everything observed, at the same time and each thing once, then judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inventory import Allocation, Host, Role, Server, hosts
from inventory.addresses import addresses
from inventory.mailboxes import REPORTS, ROLES, mailboxes
from inventory.places import CERTIFICATE, dkim_key
from inventory.settings import Settings, settings
from status.blocklists import BlockList
from status.checks import CHECKS, blocklists, doors, fleet, services
from status.facts import Door, HostNames, Inside, Outside, Subject
from status.finding import Finding, Report
from status.names import exchangers, look_up, proofs
from status.outside import look
from status.questions import Questions

PARALLEL = 64
"""Hosts that are looked at from outside, or asked about in DNS, at the same time."""

Look = Callable[[Sequence[Host], Mapping[str, Mapping[str, Any]]], Mapping[str, Inside]]
"""Asks hosts from inside: see :func:`status.observe.look_inside`."""

Knock = Callable[[str, Sequence[int], Sequence[str]], Outside]
"""Looks at one host from here: see :func:`status.outside.look`."""


@dataclass(frozen=True)
class Options:
    """What a run looks at.

    Args:
        via: a domain of others; each node dials its mail server.
        lists: block lists to ask.
        limit: labels of the hosts to look at; empty means all.
    """

    via: str = "gmail.com"
    lists: tuple[BlockList, ...] = ()
    limit: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True)
class Place:
    """A server and where it should be.

    Args:
        server: the server.
        host: as the inventory describes it; None without an address.
    """

    server: Server
    host: Host | None

    @property
    def address(self) -> str | None:
        """Its IPv4 address."""
        return str(self.host.data["ipv4"]) if self.host else None

    @property
    def settings(self) -> Settings | None:
        """As its deploys see it."""
        return settings(self.host.data) if self.host else None


def places(
    allocation: Allocation, known_hosts: Path, ssh_key: str | None, limit: Collection[str]
) -> tuple[Place, ...]:
    """The servers to look at.

    Raises:
        HostsError: the orchestrator has no address, or nobody has a key.
    """
    where = addresses(allocation, known_hosts)
    wanted = [server for server in allocation.servers if not limit or server.name in limit]
    known = {server.name for server in wanted if server.name in where}
    described = {
        host.name: host
        for host in hosts(allocation, where, known_hosts=known_hosts, ssh_key=ssh_key, only=known)
    }
    return tuple(Place(server, described.get(server.name)) for server in wanted)


def knocks(seen: Sequence[Place]) -> dict[str, list[tuple[str, int]]]:
    """Which node knocks at whose doors: every host has the two nodes after it as strangers.

    Args:
        seen: the hosts of the run, in the order of the fleet.

    Returns:
        Addresses and ports, by the node that knocks there.
    """
    ring = [place for place in seen if place.server.role is Role.NODE and place.address]
    plan: dict[str, list[tuple[str, int]]] = {place.server.name: [] for place in ring}
    for place in seen:
        start = ring.index(place) + 1 if place in ring else 0
        others = [other for other in (*ring[start:], *ring[:start]) if other is not place]
        for other in others[:2]:
            if place.address:
                ports = doors.STRANGERS_TRY[place.server.role]
                plan[other.server.name] += [(place.address, port) for port in ports]
    return plan


def recipients(host: Settings) -> tuple[str, ...]:
    """The addresses that a node must take mail for, whoever has none of his own there."""
    if not host.sends_mail:
        return ()
    boxes = mailboxes(host)
    roles = [f"{role}@{domain}" for domain in boxes.domains for role in ROLES]
    reports = [f"{name}@{host.report_domain}" for name in REPORTS] if host.report_domain else []
    return (*roles, *reports)


class Survey:
    """Looks at a fleet once.

    Args:
        allocation: the fleet.
        seen: its hosts, from :func:`places`.
        questions: whom to ask in DNS.
        options: what to look at.
        inside: asks the hosts themselves.
        outside: looks at one host from here.
    """

    def __init__(
        self,
        allocation: Allocation,
        seen: Sequence[Place],
        questions: Questions,
        *,
        options: Options,
        inside: Look,
        outside: Knock = look,
    ) -> None:
        self._allocation = allocation
        self._seen = tuple(seen)
        self._questions = questions
        self._options = options
        self._inside = inside
        self._look = outside

    def run(self) -> Report:
        """Observe and judge."""
        subjects = self._observe()
        findings = [finding for subject in subjects for check in CHECKS for finding in check(subject)]
        findings += self._listings(subjects)
        findings += self._fleet(subjects)
        return Report(
            fleet=self._allocation.fleet.name,
            at=time.time(),
            hosts=tuple(subject.host for subject in subjects),
            findings=tuple(findings),
            unseen=frozenset(subject.host for subject in subjects if subject.inside.facts is None),
            whole=not self._options.limit,
        )

    def _observe(self) -> list[Subject]:
        """Everything at the same time: the hosts from inside, from outside, and DNS."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            names = {place.server.name: pool.submit(self._names, place) for place in self._seen}
            outside = {place.server.name: pool.submit(self._outside, place) for place in self._seen}
            dialled = exchangers(self._questions, self._options.via)
            told = self._inside([place.host for place in self._seen if place.host], self._to_ask(dialled[:2]))
            gets_out = self._mail_gets_out([each.result() for each in outside.values()], dialled[:2])
            found = [self._subject(place, told, names, outside) for place in self._seen]
            return [replace(subject, mail_gets_out=gets_out) for subject in found]

    def _to_ask(self, dialled: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What :mod:`status.probe` is to look at, by host."""
        plan = knocks(self._seen)
        return {
            place.server.name: {
                "units": services.wanted(
                    place.server.role, current.orchestrator.services if current.orchestrator else ()
                ),
                "mail": current.sends_mail,
                "keys": {domain.name: dkim_key(domain.name, domain.selector) for domain in current.domains},
                "certificate": CERTIFICATE,
                "recipients": recipients(current),
                "outgoing": list(dialled),
                "knocks": plan.get(place.server.name, []),
                "hub": _hub(current),
            }
            for place in self._seen
            if (current := place.settings)
        }

    def _names(self, place: Place) -> HostNames:
        return look_up(
            self._questions,
            place.server.fqdn,
            place.address,
            self._selectors(place.server),
            self._options.lists,
            sends_mail=place.server.role is Role.NODE,
        )

    def _outside(self, place: Place) -> Outside:
        current = place.settings
        if current is None:
            return Outside()
        role = place.server.role
        ports = (*doors.PUBLIC_DOORS[role], *doors.OPERATOR_DOORS[role])
        return self._look(current.ipv4, ports, recipients(current))

    def _mail_gets_out(self, seen: Sequence[Outside], others: Sequence[str]) -> bool | None:
        """Whether mail servers of others answer here; asked only where one of the fleet's does not."""
        if not others or not any(
            found.doors.get(doors.SMTP) is Door.SILENT and not found.silent for found in seen
        ):
            return None
        met = (self._look(address, (doors.SMTP,), ()).doors.get(doors.SMTP) for address in others)
        return any(door is Door.OPEN for door in met)

    def _selectors(self, server: Server) -> dict[str, str]:
        selector = self._allocation.fleet.dkim.selector
        return {home.domain: selector for home in self._allocation.homes_on.get(server.name, ())}

    def _subject(
        self,
        place: Place,
        told: Mapping[str, Inside],
        names: Mapping[str, Future[HostNames]],
        outside: Mapping[str, Future[Outside]],
    ) -> Subject:
        name, current = place.server.name, place.settings
        return Subject(
            host=name,
            fqdn=place.server.fqdn,
            role=place.server.role,
            address=place.address,
            selectors=self._selectors(place.server),
            dmarc_policy=self._allocation.fleet.dns.dmarc_policy,
            recipients=recipients(current) if current else (),
            inside=told.get(name, Inside(None, "it has no address")),
            outside=outside[name].result(),
            names=names[name].result(),
            strangers=strangers(place.address, told),
            backups=self._allocation.fleet.backups is not None
            if place.server.role is Role.ORCHESTRATOR
            else None,
        )

    def _listings(self, subjects: Sequence[Subject]) -> Iterator[Finding]:
        lists = self._options.lists
        believed, findings = blocklists.trust(lists, proofs(self._questions, lists))
        yield from findings
        for subject in subjects:
            yield from blocklists.listings(subject, believed)

    def _fleet(self, subjects: Sequence[Subject]) -> Iterator[Finding]:
        if self._options.limit:
            return
        infra = self._allocation.fleet.infra_domain
        first = self._allocation.nodes[0].fqdn
        yield from fleet.reports(infra, first, self._questions.ask(infra, "MX"))
        yield from fleet.releases(subjects)
        yield from fleet.workers(subjects)


def _hub(current: Settings) -> dict[str, Any] | None:
    """What the probe is to know of the orchestrator; None on a node."""
    if current.orchestrator is None:
        return None
    workers = current.orchestrator.n8n_workers if "n8n" in current.orchestrator.services else 0
    return {"name": current.fqdn, "address": current.ipv4, "n8n_workers": workers}


def strangers(address: str | None, told: Mapping[str, Inside]) -> dict[int, bool]:
    """What nodes found that knocked at a host, by port: whether any got through."""
    found: dict[int, bool] = {}
    for inside in told.values():
        for where, through in (inside.facts.knocks if inside.facts else {}).items():
            knocked, _, port = where.partition(" ")
            if knocked == address:
                found[int(port)] = found.get(int(port), False) or through
    return found
