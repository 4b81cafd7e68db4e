"""Carry out a plan, step by step in the one order that works, and say of every change what became of it.

    SSH keys, firewalls -> servers, all at once -> PTR -> DNS -> nodes
    -> the keys only nodes know -> their DNS -> what is to end

A failure stops what depends on it and nothing else. Whatever was not done is in the next plan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from deploys.connect import Providers
from deploys.dns.records import address_of, dkim_of
from deploys.plan import Action, Area, Change, Kind, Plan
from deploys.planning import NodeView, cut
from deploys.providers import ProviderError
from deploys.symbolic import Symbolic, resolve
from inventory import Allocation

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Zones changed at the same time, and changes at one server vendor."""


class Status(StrEnum):
    """What became of a change."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """What became of one change.

    Args:
        change: the change, its holes filled as far as they were.
        status: done, failed, or skipped since something before it failed.
        reason: one line, empty when done.
        made: what a node's own convergence did, line by line.
    """

    change: Change
    status: Status
    reason: str = ""
    made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converged:
    """What converging one host came to.

    Args:
        host: its label.
        changes: what was changed on it.
        error: one line; None if nothing failed.
    """

    host: str
    changes: tuple[str, ...]
    error: str | None


class Nodes(Protocol):
    """The hosts' own configuration, as :mod:`deploys.nodes` converges it."""

    def look(self, addresses: Mapping[str, str]) -> NodeView:
        """See what would change on the hosts that exist. Changes nothing."""

    def converge(
        self, hosts: Sequence[str], addresses: Mapping[str, str], on_event: Callable[[str], None]
    ) -> Mapping[str, Converged]:
        """Configure hosts, new ones too, which may still be booting."""

    def dkim(self, hosts: Sequence[str], addresses: Mapping[str, str]) -> Mapping[str, str]:
        """The public keys the hosts hold, base64 by domain."""


class Apply:
    """One run over one plan.

    Args:
        allocation: the fleet.
        addresses: IPv4 by host, as read.
        providers: read before, so that they know the ids of what they hold.
        nodes: converges the hosts; None where nodes are out of scope.
        on_outcome: told of every change's fate, and of progress in between. Called from several threads.
    """

    def __init__(
        self,
        allocation: Allocation,
        addresses: Mapping[str, str],
        providers: Providers,
        nodes: Nodes | None,
        on_outcome: Callable[[Outcome | str], None],
    ) -> None:
        self._allocation = allocation
        self._providers = providers
        self._nodes = nodes
        self._tell = on_outcome
        self._known = {address_of(host): ipv4 for host, ipv4 in addresses.items()}
        self._outcomes: list[Outcome] = []
        self._failed_zones: set[str] = set()

    def run(self, plan: Plan) -> list[Outcome]:
        """Carry out the plan's changes; one outcome for each."""
        by_kind: dict[Kind, list[Change]] = {kind: [] for kind in Kind}
        ends: list[Change] = []
        for change in plan.changes:
            gone = change.action is Action.DELETE and change.kind.area is Area.SERVERS
            (ends if gone else by_kind[change.kind]).append(change)
        dns = [*by_kind[Kind.ZONE], *by_kind[Kind.RECORD]]
        late = [change for change in dns if self._waits_for_nodes(change)]
        self._rent(by_kind[Kind.SSH_KEY] + by_kind[Kind.FIREWALL])
        self._rent(by_kind[Kind.SERVER])
        self._rent(by_kind[Kind.PTR])
        self._publish([change for change in dns if change not in late])
        self._converge(by_kind[Kind.NODE], late)
        self._publish(late)
        self._rent(ends)
        return self._outcomes

    def _waits_for_nodes(self, change: Change) -> bool:
        keys = {dkim_of(home.domain) for home in self._allocation.homes}
        return any(hole.what in keys for hole in change.unknowns)

    def _rent(self, changes: Sequence[Change]) -> None:
        """Carry out changes at the server vendors, all vendors and several changes at the same time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._rent_one, changes))

    def _rent_one(self, change: Change) -> None:
        change = self._filled(change)
        if self._skipped(change):
            return
        try:
            self._known.update(self._providers.vendors[change.provider].apply(change))
        except Exception as error:  # one host's surprise must not leave the others half done
            self._failed([change], error)
        else:
            self._note(Outcome(change, Status.DONE))

    def _publish(self, changes: Sequence[Change]) -> None:
        """Carry out changes of zones: first the shared one, which the others refer to."""
        zones: dict[str, list[Change]] = {}
        for change in map(self._filled, changes):
            if change.group in self._failed_zones:
                self._note(Outcome(change, Status.SKIPPED, f"the zone {change.group} failed before"))
            elif not self._skipped(change):
                zones.setdefault(change.group, []).append(change)
        homes = self._allocation.home_of
        for zone in [zone for zone in zones if zone not in homes]:
            self._publish_zone(zone, zones.pop(zone))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._publish_zone, zones.keys(), zones.values()))

    def _publish_zone(self, zone: str, changes: list[Change]) -> None:
        # A zone that left the fleet is remembered by its mark in the shared zone until it is cleared.
        kept = [change for change in changes if self._marks_failed_zone(change)]
        for change in kept:
            self._note(Outcome(change, Status.SKIPPED, "the zone it marks is not cleared yet"))
        changes = [change for change in changes if change not in kept]
        try:
            if self._providers.dns and changes:
                self._providers.dns.apply(zone, changes)
        except Exception as error:  # one zone's surprise must not leave the others half done
            self._failed_zones.add(zone)
            self._failed(changes, error)
            self._tell(f"zone {zone}: {len(changes)} failed")
        else:
            for change in changes:
                self._note(Outcome(change, Status.DONE))
            self._tell(f"zone {zone}: {len(changes)} done")

    def _marks_failed_zone(self, change: Change) -> bool:
        name = str((change.before or {}).get("name", ""))
        return change.action is Action.DELETE and any(
            name == f"{zone}._report._dmarc.{change.group}" for zone in self._failed_zones
        )

    def _converge(self, changes: Sequence[Change], late: Iterable[Change]) -> None:
        """Configure the hosts that are to be, and learn the keys that late records wait for."""
        if self._nodes is None:
            return
        addresses = self._addresses()
        there = [change for change in changes if change.object in addresses]
        for change in changes:
            if change not in there:
                self._note(Outcome(change, Status.SKIPPED, "there is no server"))
        hosts = [change.object for change in there]
        try:
            results = self._nodes.converge(hosts, addresses, self._tell) if hosts else {}
        except Exception as error:  # what is done must still be told
            self._failed(there, error)
            return
        for change in there:
            found = results.get(change.object) or Converged(change.object, (), "it was not reached")
            status = Status.FAILED if found.error else Status.DONE
            self._note(Outcome(change, status, found.error or "", found.changes))
        sound = [
            host
            for host in dict.fromkeys(host for change in late for host in change.hosts)
            if host in addresses and not (host in results and results[host].error)
        ]
        try:
            keys = self._nodes.dkim(sound, addresses) if sound else {}
        except Exception as error:  # the records are skipped, for want of their keys
            self._tell(f"the nodes' public keys cannot be read: {error}")
            return
        self._known.update({dkim_of(domain): key for domain, key in keys.items()})

    def _addresses(self) -> dict[str, str]:
        hosts = (server.name for server in self._allocation.servers)
        return {host: self._known[address_of(host)] for host in hosts if address_of(host) in self._known}

    def _filled(self, change: Change) -> Change:
        """The change with the holes filled whose value is known, and without optional ones left open."""
        after = change.after and {
            name: resolve(value, self._known) if isinstance(value, Symbolic) else value
            for name, value in change.after.items()
        }
        return change if change.kind is Kind.SERVER else cut(replace(change, after=after), ())

    def _skipped(self, change: Change) -> bool:
        """Whether the change cannot be carried out, since what would fill its holes failed."""
        open_holes = [hole.what for hole in change.unknowns]
        if change.kind is Kind.SERVER or not open_holes:
            return False
        self._note(Outcome(change, Status.SKIPPED, f"the {open_holes[0]} is not known"))
        return True

    def _failed(self, changes: Iterable[Change], error: Exception) -> None:
        if not isinstance(error, ProviderError):
            log.debug("unexpected", exc_info=error)
        reason = str(error) if isinstance(error, ProviderError) else f"{type(error).__name__}: {error}"
        for change in changes:
            self._note(Outcome(change, Status.FAILED, reason))

    def _note(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._tell(outcome)
