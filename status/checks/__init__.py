"""The checks: each a pure function from what was observed to findings. docs/status.md has the table.

A check of something that only some hosts have reads a section of :class:`status.facts.HostFacts` that is
None elsewhere, and finds nothing there. So a new one is a section, a reader of it in :mod:`status.probe`, and
a function in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from status.checks import (
    backups,
    blocklists,
    certificates,
    doors,
    engine,
    machine,
    n8n,
    names,
    reach,
    senders,
    services,
    smtp,
    tools,
)
from status.facts import Subject
from status.finding import Finding

Check = Callable[[Subject], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    reach.reach,
    services.units,
    services.other_units,
    services.firewall,
    services.password_logins,
    doors.listening,
    doors.open_doors,
    doors.closed_doors,
    doors.outgoing,
    names.address,
    names.reverse,
    names.helo,
    senders.spf,
    senders.dkim,
    senders.dmarc,
    senders.consent,
    senders.mx,
    smtp.dialogue,
    smtp.mailboxes,
    certificates.of_mail,
    certificates.of_the_hub,
    machine.disk,
    machine.memory,
    machine.queue,
    machine.updates,
    machine.clock,
    tools.release,
    backups.backups,
    engine.streams,
    engine.coordinator,
    n8n.processes,
    n8n.credentials,
    n8n.workflows,
)
"""Every check of a host but block lists, which know of other things too: see :mod:`status.survey`."""

__all__ = ["CHECKS", "Check", "blocklists"]
