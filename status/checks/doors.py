"""Ports: what listens, who gets in, and whether mail gets out."""

from __future__ import annotations

from collections.abc import Iterator

from inventory import Role
from status.checks.judge import recommended, required, unread
from status.facts import Door, Subject
from status.finding import Finding

SMTP = 25
OPERATOR_DOORS = {Role.NODE: (22, 465, 587, 993), Role.ORCHESTRATOR: (22,)}
"""Open to operators and the orchestrator alone."""
PUBLIC_DOORS = {Role.NODE: (SMTP,), Role.ORCHESTRATOR: ()}
"""Open to the world: replies, bounces and reports come in there."""
API_DOOR = 8025
EXPORTER_DOOR = 9100
"""Open to the orchestrator alone, whatever stands behind them."""
_BLOCKED = "Many networks block it outwards: does it answer elsewhere?"
STRANGERS_TRY = {role: (*PUBLIC_DOORS[role], *OPERATOR_DOORS[role], API_DOOR, EXPORTER_DOOR) for role in Role}
"""What hosts of the fleet knock at that are neither operators nor orchestrator."""


def listening(subject: Subject) -> Iterator[Finding]:
    """Something listens behind every door that is to be open."""
    judge, facts = required(subject, "listens"), subject.inside.facts
    yield from unread(subject, "listening", judge)
    if facts is None or facts.listening is None:
        return
    wanted = (*PUBLIC_DOORS[subject.role], *OPERATOR_DOORS[subject.role])
    missing = [str(port) for port in wanted if port not in facts.listening]
    if missing:
        yield judge.failed(
            f"nothing listens on port {', '.join(missing)}", "Its service is stopped or set up otherwise."
        )
    else:
        yield judge.ok(", ".join(map(str, wanted)))


def open_doors(subject: Subject) -> Iterator[Finding]:
    """From here the host's doors are open, or port 25 from another node where our own network blocks it."""
    if subject.inside.facts is None and subject.outside.silent:
        return  # said once, by `reach`
    judge = required(subject, "port")
    for port, door in subject.outside.doors.items():
        if door is Door.OPEN or subject.strangers.get(port):
            yield judge.ok("open" if door is Door.OPEN else "open for other nodes, not from here", str(port))
        elif door is Door.REFUSED:
            yield judge.failed("refused: nothing listens there", "Its service is stopped.", str(port))
        elif port == SMTP and subject.mail_gets_out is False and port not in subject.strangers:
            yield judge.unknown("mail servers of others do not answer here either", _BLOCKED, str(port))
        elif port == SMTP:
            judged_here = subject.mail_gets_out or port in subject.strangers
            advice = (
                "See the provider's firewall."
                if judged_here
                else f"{_BLOCKED} Else: the provider's firewall."
            )
            yield judge.failed("does not answer", advice, str(port))
        else:
            yield judge.failed(
                "does not answer",
                "Is your address in operators.addresses? Else: the provider's firewall.",
                str(port),
            )
    if SMTP not in subject.outside.doors and SMTP in subject.strangers:
        # Nobody dials it from the orchestrator, whose own firewall keeps it from mail servers.
        if subject.strangers[SMTP]:
            yield judge.ok("open for other nodes", str(SMTP))
        else:
            yield judge.failed("does not answer other nodes", "See its service and firewalls.", str(SMTP))


def closed_doors(subject: Subject) -> Iterator[Finding]:
    """Hosts that are neither operators nor orchestrator get in at no door but port 25."""
    tried = [port for port in subject.strangers if port not in PUBLIC_DOORS[subject.role]]
    judge = required(subject, "strangers")
    through = [str(port) for port in tried if subject.strangers[port]]
    if through:
        yield judge.failed(
            f"port {', '.join(through)} is open to everybody",
            "`systemctl restart nftables` there; `outreach plan` tells whether its rules are ours.",
        )
    elif tried and all(subject.strangers.get(port) for port in PUBLIC_DOORS[subject.role]):
        # Where not even the public door let them in, they have not tried the others.
        yield judge.ok(f"kept out of {', '.join(map(str, tried))}")


def outgoing(subject: Subject) -> Iterator[Finding]:
    """A node reaches mail servers of others on port 25."""
    if not subject.sends_mail:
        return
    judge, facts = required(subject, "outgoing"), subject.inside.facts
    yield from unread(subject, "outgoing", judge)
    if facts is None or "outgoing" in facts.errors:
        return
    if facts.outgoing is None:
        yield recommended(subject, "outgoing").unknown(
            "no mail server of others was named that could be dialled", "Name another domain with --via."
        )
    elif facts.outgoing.greeting:
        yield judge.ok(f"port 25 open: {facts.outgoing.greeting}")
    else:
        yield judge.failed(
            f"port 25 is closed outwards: {facts.outgoing.problem}",
            "Providers block it: docs/going-live.md. `--via DOMAIN` dials another one's mail server.",
        )
