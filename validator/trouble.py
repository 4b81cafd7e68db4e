"""Why a host could not be asked, or what it said: the value that sessions pass on."""

from __future__ import annotations

from dataclasses import dataclass

from validator.classify import Finding
from validator.reply import Reply
from validator.route import Addresses, Host
from validator.status import Stage, Status
from validator.transport import LinkError

# Reasons that are about us, not about one recipient: the operator is left alone.
ABOUT_US = frozenset({"dnsbl", "too_many_invalid", "host_identity", "session_refused"})
RANK = {
    Status.BLOCKED: 5,
    Status.THROTTLED: 4,
    Status.GREYLISTED: 3,
    Status.TEMPFAIL: 3,
    Status.UNKNOWN: 2,
    Status.TIMEOUT: 2,
}
LINK_ERRORS = {
    "refused": (Status.CONNECTION_REFUSED, "refused", 0.95),
    "timeout": (Status.TIMEOUT, "no_answer", 0.9),
    "unreachable": (Status.UNKNOWN, "unreachable", 0.8),
    "proxy": (Status.UNKNOWN, "proxy", 0.8),
    "protocol": (Status.UNKNOWN, "protocol_violation", 0.8),
}


@dataclass(slots=True)
class Trouble:
    """Why a host could not be asked, or what it said."""

    status: Status
    reason: str
    stage: Stage
    confidence: float = 0.9
    host: str = ""
    reply: Reply | None = None
    rule: str = ""
    details: str = ""

    @property
    def ends_session(self) -> bool:
        """The server wants less of us, not of one mailbox."""
        return self.status is Status.THROTTLED and self.reason != "mailbox_receiving_too_fast"


def said(finding: Finding, reply: Reply, stage: Stage, host: Host) -> Trouble:
    """A reply as trouble."""
    return Trouble(finding.status, finding.reason, stage, finding.confidence, host.name, reply, finding.rule)


def broken(error: LinkError, stage: Stage, host: Host | None) -> Trouble:
    """A connection that failed."""
    status, reason, confidence = LINK_ERRORS.get(error.kind, (Status.UNKNOWN, "disconnected", 0.8))
    return Trouble(status, reason, stage, confidence, host.name if host else "")


def weightiest(troubles: list[Trouble]) -> Trouble:
    """Of several hosts' troubles the one that says most about all of them."""
    if not troubles:
        return Trouble(Status.NO_MX, "mx_unresolvable", Stage.DNS)
    return max(troubles, key=lambda item: RANK.get(item.status, 1))


def no_address(host: Host, found: Addresses) -> Trouble:
    """An exchanger that may or can not be dialled."""
    if found.refused:
        refused = ", ".join(found.refused)
        details = f"The exchanger {host.name} has only addresses that must not be dialled: {refused}."
        return Trouble(Status.NO_MX, "mx_private", Stage.DNS, 0.9, host.name, details=details)
    if found.error in ("timeout", "servfail", "refused", "malformed"):
        status = Status.TIMEOUT if found.error == "timeout" else Status.UNKNOWN
        return Trouble(status, f"dns_{found.error}", Stage.DNS, 0.8, host.name)
    return Trouble(Status.NO_MX, "mx_unresolvable", Stage.DNS, 0.9, host.name)
