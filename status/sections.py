"""The sections of what a host says of itself, typed: :class:`status.facts.HostFacts` holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """A part of what a host says of itself; what a newer probe says besides is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Unit(Fact):
    """A systemd unit: its state words (systemd(1)), and whether its own conditions let it start."""

    active: str
    sub: str = ""
    enabled: str = ""
    runnable: bool = True


class Disk(Fact):
    """A file system. Bytes and inodes; `free` is what others than root may still use."""

    mount: str
    used: int
    free: int
    files_used: int = 0
    files_free: int = 0


class Memory(Fact):
    """Bytes in all, and those that programs can still have without swapping."""

    total: int
    available: int


class Queue(Fact):
    """Postfix's queue: mails in it, and the age of the oldest in seconds."""

    mails: int
    oldest: float = 0.0


class Updates(Fact):
    """Pending packages from Debian's security archive, age of the package lists in seconds, reboot wanted."""

    security: tuple[str, ...]
    lists_age: float | None = None
    reboot: bool = False


class Clock(Fact):
    """What chrony says: its leap status, and seconds the clock is away from true time."""

    leap: str
    offset: float


class Firewall(Fact):
    """Our nftables table: whether it is loaded, and whether what no rule lets in is dropped."""

    loaded: bool
    drops: bool


class Certificate(Fact):
    """A certificate's end (seconds since 1970) and SHA-256 fingerprint, in hexadecimal."""

    not_after: float
    fingerprint: str


class MailNames(Fact):
    """The name Postfix gives in HELO, and the address it sends from."""

    helo: str
    bind: str


class Outgoing(Fact):
    """What came of dialling a mail server of others as Postfix's user: its greeting, or why there is none."""

    greeting: str = ""
    problem: str = ""


class Release(Fact):
    """Our tools on the host: the version it should run, the one it is linked to, and what the API answers."""

    version: str
    current: str = ""
    health: int | None = None
    health_version: str = ""
    health_problem: str = ""


class Backups(Fact):
    """What is made of the orchestrator every night; times are seconds since 1970.

    `since` is when it was set up, `pulled` when somebody last had every archive of it elsewhere.
    """

    archives: int
    since: float
    newest: float | None = None
    size: int = 0
    pulled: float | None = None


class Stream(Fact):
    """A stream of NATS, its consumers added up. What is settled leaves it.

    `bytes` of at most `most`; `oldest` is the age in seconds of what waits longest; `unsettled` messages are
    in somebody's hands, `redelivered` of them not for the first time.
    """

    messages: int
    bytes: int
    most: int
    oldest: float = 0.0
    unsettled: int = 0
    redelivered: int = 0


class Nats(Fact):
    """NATS: whether it keeps streams, the streams by name, and the names of who is connected."""

    jetstream: bool
    streams: Mapping[str, Stream]
    connected: tuple[str, ...] = ()


class Engine(Fact):
    """What the coordinator left in PostgreSQL.

    `at_work` is the seconds it has been so, None if none is; `nodes` has the seconds since it heard each;
    `troubles` is what stands in its way, in its own words.
    """

    at_work: float | None
    nodes: Mapping[str, float]
    troubles: Mapping[str, str] = {}


class Workflow(Fact):
    """A workflow in n8n; ages in seconds, None where there is nothing of that age.

    `ours` is one that the deploy published; `status` and `ran` are of its last run, `triggered` of the last
    one that its schedule started; `period` is how often that must. Of ours there is the `content`, and
    `noted`, the digest that it had when it was published.
    """

    name: str
    published: bool
    ours: bool = False
    changed: float = 0.0
    status: str | None = None
    ran: float | None = None
    triggered: float | None = None
    period: float | None = None
    noted: str = ""
    content: dict[str, Any] | None = None


class Credentials(Fact):
    """What n8n keeps encrypted: how many, and the names of those that its key does not open."""

    stored: int
    closed: tuple[str, ...] = ()
