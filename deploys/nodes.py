"""The hosts of a fleet as plan and apply see them: pinned at first contact, looked at, converged.

Imports pyinfra, which takes a second and needs a patched standard library: only commands that reach for hosts
import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deploys.apply import Converged
from deploys.converge import Event, Status, Step, converge, dkim_public_keys, preview
from deploys.hostkeys import Contact, learn
from deploys.planning import NEW, NodeView
from inventory import Allocation, Host, hosts

LOOK_SECONDS = 10.0
"""How long a look waits for a host that nobody has reached yet: it may still boot."""
BOOT_SECONDS = 300.0
"""How long converging waits for it."""


class PyinfraNodes:
    """The hosts of one fleet, over SSH.

    Args:
        allocation: the fleet.
        known_hosts: the file their keys are pinned in.
        ssh_key: path of the private key; None asks the agent.
        limit: labels of the hosts to look at; empty means all.
        force: what was edited on a host by hand may be overwritten, where that is asked about at all.
    """

    def __init__(
        self,
        allocation: Allocation,
        known_hosts: Path,
        ssh_key: str | None,
        limit: Sequence[str] = (),
        *,
        force: bool = False,
    ) -> None:
        self._allocation = allocation
        self._known_hosts = known_hosts
        self._ssh_key = ssh_key
        self._limit = limit
        self._force = force

    def look(self, addresses: Mapping[str, str]) -> NodeView:
        """See :meth:`deploys.apply.Nodes.look`."""
        there = [
            server.name
            for server in self._allocation.servers
            if server.name in addresses and (not self._limit or server.name in self._limit)
        ]
        if self._allocation.orchestrator.name not in addresses:
            # A node lets its orchestrator in, so without that one's address nothing can be said of it.
            return NodeView(dict.fromkeys(there, (NEW,)))
        found = self._hosts(there, addresses)
        contacts = learn(found, self._known_hosts, LOOK_SECONDS)
        changes: dict[str, tuple[str, ...]] = {}
        silent: dict[str, str] = {}
        for name, contact in contacts.items():
            if contact.contact is Contact.UNREACHABLE:
                changes[name] = (NEW,)
            elif contact.problem:
                silent[name] = contact.problem
        pinned = [host for host in found if host.name not in changes and host.name not in silent]
        reports, keys = preview(pinned) if pinned else ({}, {})
        remarks = {name: report.remarks for name, report in reports.items() if report.remarks}
        for name, report in reports.items():
            if report.status in (Status.UNREACHABLE, Status.FAILED):
                silent[name] = report.error or "it cannot be read"
            else:
                changes[name] = report.changes
        return NodeView(changes, silent, keys, remarks)

    def converge(
        self, names: Sequence[str], addresses: Mapping[str, str], on_event: Callable[[str], None]
    ) -> Mapping[str, Converged]:
        """See :meth:`deploys.apply.Nodes.converge`."""

        def tell(event: Event) -> None:
            if event.step in (Step.CHANGED, Step.FAILED):
                on_event(f"{event.host}: {event.operation}: {event.step}")

        found = self._hosts(names, addresses)
        contacts = learn(found, self._known_hosts, BOOT_SECONDS)
        refused = {name: contact.problem for name, contact in contacts.items() if contact.problem}
        pinned = [host for host in found if host.name not in refused]
        reports = converge(pinned, tell) if pinned else {}
        return {
            **{name: Converged(name, (), problem) for name, problem in refused.items()},
            **{name: Converged(name, report.changes, report.error) for name, report in reports.items()},
        }

    def dkim(self, names: Sequence[str], addresses: Mapping[str, str]) -> Mapping[str, str]:
        """See :meth:`deploys.apply.Nodes.dkim`."""
        return dkim_public_keys(self._hosts(names, addresses))

    def _hosts(self, names: Iterable[str], addresses: Mapping[str, str]) -> tuple[Host, ...]:
        found = hosts(
            self._allocation,
            addresses,
            known_hosts=self._known_hosts,
            ssh_key=self._ssh_key,
            only=set(names),
        )
        return tuple(replace(host, data={**host.data, "force": self._force}) for host in found)
