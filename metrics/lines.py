"""What a line of Postfix's log says. Pure; written against Postfix 3.10, the words are its source's.

Every pattern is anchored and takes each character once, so that no line costs more than its length. What
is in a line was partly written by strangers (addresses, greetings, replies): nothing of it is believed
further than the event's fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator import Reply, Stage, parse_text

LONGEST = 8192
"""Characters of a line that are looked at. Postfix itself cuts replies at some 2,000."""
DOORS = ("smtp", "submission", "submissions")
_AGENTS = frozenset({"smtp", "relay", "lmtp", "error", "retry", "discard", "virtual"})
_DELIVERED = re.compile(
    r"(?P<id>[0-9A-Za-z]{6,25}): to=<(?P<to>.*?)>, (?:orig_to=<.*?>, )?relay=(?P<relay>[^,\s]+)"
    r"(?:, conn_use=\d+)?, delay=(?P<delay>\d{1,9}(?:\.\d{1,9})?), delays=[\d./]+,"
    r" dsn=(?P<code>[245]\.\d{1,3}\.\d{1,3}),"
    r" status=(?P<result>sent|deferred|bounced) \((?P<text>.*)\)"
)
_SENDER = re.compile(
    r"(?P<id>[0-9A-Za-z]{6,25}): from=<(?P<from>.*)>, (?P<rest>size=\d+|status=(?:force-)?expired)"
)
_REMOVED = re.compile(r"(?P<id>[0-9A-Za-z]{6,25}): removed\b")
_NOTIFIED = re.compile(r"[0-9A-Za-z]{6,25}: sender (?P<kind>non-delivery|delay) notification: ")
_REFUSED = re.compile(
    r"(?:NOQUEUE|[0-9A-Za-z]{6,25}): (?P<milter>milter-)?reject: \S+ from [^\s\[]*\[[^\]\s]*\](?::\d+)?:"
    r" (?P<class>[45])[\d.]"
)
_SESSION = re.compile(
    r"(?P<trust>Anonymous|Untrusted|Trusted|Verified) TLS connection established to (?P<host>[^\s\[]+)"
    r"\[[^\]\s]*\]:\d+: (?P<protocol>\S+) "
)
_TROUBLE = re.compile(r"(?P<severity>warning|error|fatal|panic): ")
_CONNECT = re.compile(r"connect to (?P<host>[^\s\[]+)\[")
_SPOKEN = re.compile(r"host \S+ (?:said|refused to talk to me): (?P<reply>.*)", re.DOTALL)
_STAGE = re.compile(r" \(in reply to (?P<command>[A-Za-z ]+?)(?: command)?\)$")
_STAGES = {
    "HELO": Stage.EHLO,
    "EHLO": Stage.EHLO,
    "STARTTLS": Stage.STARTTLS,
    "MAIL FROM": Stage.MAIL,
    "RCPT TO": Stage.RCPT,
    "DATA": Stage.DATA,
    "end of DATA": Stage.DATA,
}


@dataclass(frozen=True, slots=True)
class Sender:
    """A message is in the active queue: the one line that ties its id to its sender.

    Attributes:
        queue_id: Postfix's long queue id, which is never used again.
        domain: of the envelope sender, in lower case; empty for the null sender.
    """

    queue_id: str
    domain: str


@dataclass(frozen=True, slots=True)
class Expired:
    """A message was given up after its time in the queue, and returned to its sender."""

    queue_id: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A message has left the queue."""

    queue_id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt for one recipient.

    Attributes:
        queue_id: of the message.
        inbound: it was for a mailbox of our own.
        domain: of the recipient, in lower case.
        host: the server that answered or did not; empty where none was found.
        result: ``sent``, ``deferred`` or ``bounced``.
        code: enhanced status code (RFC 3463).
        seconds: since the message arrived here.
        reply: what the server said; None where it said nothing.
        stage: the command it said it to.
    """

    queue_id: str
    inbound: bool
    domain: str
    host: str
    result: str
    code: str
    seconds: float
    reply: Reply | None
    stage: Stage


@dataclass(frozen=True, slots=True)
class Refused:
    """Mail that was not taken.

    Attributes:
        door: the service it came to; ``content`` when it was refused for what is in it.
        by: ``postfix`` or ``milter``.
        reply: ``4xx`` or ``5xx``.
    """

    door: str
    by: str
    reply: str


@dataclass(frozen=True, slots=True)
class Session:
    """An encrypted session with a receiving server.

    Attributes:
        host: its name.
        trust: ``anonymous``, ``untrusted``, ``trusted`` or ``verified`` (postconf(5), smtp_tls_loglevel).
        protocol: ``TLSv1.3``.
    """

    host: str
    trust: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sender was told: ``non-delivery`` or ``delay``."""

    kind: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Postfix complains about itself: ``warning``, ``error``, ``fatal`` or ``panic``."""

    severity: str


Event = Sender | Expired | Removed | Delivery | Refused | Session | Notice | Trouble


def parse(program: str, message: str) -> Event | None:
    """Read one line.

    Args:
        program: the log's identifier: ``postfix/google/smtp``.
        message: the line without date, host and program.

    Returns:
        What it says; None where it is not Postfix's or says nothing that is counted.
    """
    package, _, path = program.partition("/")
    if package != "postfix" or not path:
        return None
    transport, _, daemon = path.rpartition("/")
    message = message[:LONGEST]
    if found := _TROUBLE.match(message):
        return Trouble(found["severity"])
    event: Event | None = None
    if daemon in _AGENTS:
        event = _agent(daemon, message)
    elif daemon == "qmgr":
        event = _queue_manager(message)
    elif daemon in {"smtpd", "cleanup"}:
        event = _refusal(daemon, transport or "smtp", message)
    elif daemon == "bounce" and (found := _NOTIFIED.match(message)):
        event = Notice(found["kind"])
    return event


def _agent(daemon: str, message: str) -> Event | None:
    if found := _SESSION.match(message):
        # Only the client's own line: a connection that is kept for reuse is told by tlsproxy too.
        return Session(found["host"], found["trust"].lower(), found["protocol"]) if daemon == "smtp" else None
    if not (found := _DELIVERED.match(message)):
        return None
    host, bracket, _ = found["relay"].partition("[")
    text = found["text"]
    if not bracket:  # `none`, or the name of a local service
        connected = _CONNECT.search(text)
        host = connected["host"] if connected else ""
    reply, stage = _said(text, found["result"])
    return Delivery(
        queue_id=found["id"],
        inbound=daemon == "lmtp",
        domain=_domain(found["to"]),
        host=host,
        result=found["result"],
        code=found["code"],
        seconds=float(found["delay"]),
        reply=reply,
        stage=stage,
    )


def _said(text: str, result: str) -> tuple[Reply | None, Stage]:
    if result == "sent":
        return parse_text(text), Stage.DATA
    spoken = _SPOKEN.search(text)
    if not spoken:
        return None, Stage.CONNECT
    said = spoken["reply"]
    to = _STAGE.search(said)
    stage = _STAGES.get(to["command"], Stage.RCPT) if to else Stage.BANNER
    return parse_text(said[: to.start()] if to else said), stage


def _queue_manager(message: str) -> Event | None:
    if found := _SENDER.match(message):
        if found["rest"].startswith("size="):
            return Sender(found["id"], _domain(found["from"]))
        return Expired(found["id"])
    found = _REMOVED.match(message)
    return Removed(found["id"]) if found else None


def _refusal(daemon: str, door: str, message: str) -> Event | None:
    found = _REFUSED.match(message)
    if not found:
        return None
    # cleanup(8) has one name for all doors; it refuses what a milter or a pattern finds in the content.
    door = "content" if daemon == "cleanup" else door if door in DOORS else "other"
    return Refused(door, "milter" if found["milter"] else "postfix", f"{found['class']}xx")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower() if "@" in address else ""
