"""What was observed of a host, typed: from inside (:mod:`status.probe`), from outside, and in DNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from inventory import Role
from status.sections import (
    Backups,
    Certificate,
    Clock,
    Credentials,
    Disk,
    Engine,
    Fact,
    Firewall,
    MailNames,
    Memory,
    Nats,
    Outgoing,
    Queue,
    Release,
    Unit,
    Updates,
    Workflow,
)


@dataclass(frozen=True)
class Greeting:
    """A dialogue with the mail server on port 25, up to RCPT.

    Args:
        name: what it calls itself in its answer to EHLO.
        starttls: it offers TLS, and the handshake succeeded.
        problem: why the dialogue ended early; empty if it did not.
        refused: replies to recipients that must be accepted, by address; none if it takes them all.
    """

    name: str = ""
    starttls: bool = False
    problem: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)


class HostFacts(Fact):
    """What a host says of itself. A section that could not be read is None, with its reason in `errors`.

    Args:
        started: the host's clock when the probe began, seconds since 1970.
        ended: the same at its end.
        units: state by unit: those asked for, and every one of our own.
        failed: units in state `failed`.
        listening: TCP ports that something listens on, on any address but loopback.
        sshd: sshd's effective settings, in lower case.
        keys: base64 public half of the DKIM key on disk, by domain.
        greeting: its mail server, met from itself.
        knocks: whether a TCP connection came about, by `address port`.
        n8n: why n8n's main process or a worker is not ready, by its name; empty for one that is.
        nats_certificate: what NATS shows.
        web_certificate: what Caddy shows for the host's name.
        errors: by section: why it could not be read.
    """

    started: float
    ended: float
    units: Mapping[str, Unit] | None = None
    failed: tuple[str, ...] = ()
    listening: tuple[int, ...] | None = None
    firewall: Firewall | None = None
    sshd: Mapping[str, str] | None = None
    disks: tuple[Disk, ...] | None = None
    memory: Memory | None = None
    queue: Queue | None = None
    updates: Updates | None = None
    clock: Clock | None = None
    keys: Mapping[str, str] | None = None
    certificate: Certificate | None = None
    mail: MailNames | None = None
    outgoing: Outgoing | None = None
    greeting: Greeting | None = None
    knocks: Mapping[str, bool] = {}
    release: Release | None = None
    backups: Backups | None = None
    nats: Nats | None = None
    nats_certificate: Certificate | None = None
    engine: Engine | None = None
    n8n: Mapping[str, str] | None = None
    workflows: tuple[Workflow, ...] | None = None
    credentials: Credentials | None = None
    web_certificate: Certificate | None = None
    errors: Mapping[str, str] = {}


@dataclass(frozen=True)
class Inside:
    """A host asked over SSH.

    Args:
        facts: what it said; None if it could not be asked.
        problem: why not, on one line.
        sent: our clock when it was asked, seconds since 1970.
        received: our clock when it had answered.
    """

    facts: HostFacts | None
    problem: str = ""
    sent: float = 0.0
    received: float = 0.0


class Door(StrEnum):
    """What came of dialling a port."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True)
class Outside:
    """A host as seen from where the command runs.

    Args:
        doors: by port.
        greeting: of port 25; None where nothing answers there.
        certificates: as served, by port.
    """

    doors: Mapping[int, Door] = field(default_factory=dict)
    greeting: Greeting | None = None
    certificates: Mapping[int, Certificate] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """Whether no port answered at all."""
        return bool(self.doors) and all(door is Door.SILENT for door in self.doors.values())


@dataclass(frozen=True)
class Answer:
    """The answer to a DNS question.

    Args:
        values: TXT as its text, MX as `10 host`, others as usual; names in lower case without the last dot.
        problem: why nobody knows; an answer that there is nothing is no problem.
    """

    values: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Verdict:
    """An SPF evaluation (RFC 7208 section 2.6): `pass`, `fail`, ..., with the evaluator's words."""

    result: str
    says: str


@dataclass(frozen=True)
class DomainNames:
    """What DNS says of a sending domain.

    Args:
        mx: its MX records.
        spf: evaluated for its home node's address.
        dkim: TXT at its selector.
        dmarc: TXT at `_dmarc`.
        consents: for each foreign domain that reports are sent to: TXT of its consent (RFC 9990).
        listings: answers of domain block lists, by zone.
    """

    mx: Answer
    spf: Verdict
    dkim: Answer
    dmarc: Answer
    consents: Mapping[str, Answer] = field(default_factory=dict)
    listings: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class HostNames:
    """What DNS says of a host.

    Args:
        a: addresses of its name.
        ptr: names of its address.
        helo_spf: SPF of its own name as HELO identity; None for a host that sends no mail.
        domains: of each domain at home there.
        listings: answers of address block lists, by zone.
    """

    a: Answer
    ptr: Answer
    helo_spf: Verdict | None = None
    domains: Mapping[str, DomainNames] = field(default_factory=dict)
    listings: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One host and everything observed of it: what the checks judge.

    Args:
        host: its label.
        fqdn: its full name.
        role: node or orchestrator.
        address: where it should be; None if nobody knows.
        selectors: DKIM selector by domain at home there.
        dmarc_policy: the policy that the fleet file wants.
        recipients: addresses that must be accepted: postmaster and abuse of its domains, reports.
        inside: what it said.
        outside: as seen from here.
        names: in DNS.
        strangers: by port: whether hosts that are neither operators nor orchestrator got through; a port
            nobody tried is missing.
        backups: whether the fleet file wants any of this host; None for a host of which there are none.
        mail_gets_out: whether mail servers of others answer here on port 25; None where nobody asked.
    """

    host: str
    fqdn: str
    role: Role
    address: str | None
    selectors: Mapping[str, str]
    dmarc_policy: str
    recipients: tuple[str, ...]
    inside: Inside
    outside: Outside
    names: HostNames
    strangers: Mapping[int, bool] = field(default_factory=dict)
    backups: bool | None = None
    mail_gets_out: bool | None = None

    @property
    def sends_mail(self) -> bool:
        """Whether it is a node."""
        return self.role is Role.NODE

    @property
    def greeting(self) -> Greeting | None:
        """Its mail server, met from here, or by the host itself where port 25 is blocked on the way."""
        if self.outside.greeting or self.outside.doors.get(25) is Door.REFUSED:
            return self.outside.greeting
        return self.inside.facts.greeting if self.inside.facts else None
