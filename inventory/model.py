"""The typed model of a fleet: what one reviewed YAML file says, and nothing that is computed from it.

Each class is one block of the file; its docstring and fields are what editors show through the JSON Schema.
What no single block can know (a domain listed twice, a node too full) is checked in :mod:`inventory.checks`;
computed facts (which domain lives on which node, which accounts exist) are in :mod:`inventory.allocation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""One DNS label in lower case (RFC 1123 section 2.1)."""

DomainName = Annotated[
    str,
    StringConstraints(
        max_length=253,
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$",
    ),
]
"""A full domain name in lower case, IDNs as A-labels, no trailing dot (RFC 1035 section 2.3.4)."""

LocalPart = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
"""What stands before the @ (RFC 5321 section 4.5.3.1.1), without `+`, which starts an extension."""

PersonName = Annotated[str, StringConstraints(max_length=128, pattern=r'^[^\s"<>\\][^"<>\\\x00-\x1f]*$')]
"""A name as a mail client shows it. Quotes, angle brackets and backslashes would need quoting everywhere."""

AgeRecipient = Annotated[str, StringConstraints(pattern=r"^age1[02-9ac-hj-np-z]{58}$")]
"""An age public key: Bech32 of an X25519 point (age-encryption.org/v1)."""

Count = Annotated[int, Field(strict=True)]
"""A whole number, written as one: neither `yes` nor `"5"`."""


class Block(BaseModel):
    """A block of the fleet file: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Provider(StrEnum):
    """Where a server is rented."""

    HETZNER = "hetzner"
    CONTABO = "contabo"


class Sender(Block):
    """Who sends: printed in every footer (CAN-SPAM section 7704(a)(5), UWG section 7)."""

    legal_name: str = Field(min_length=2)
    postal_address: str = Field(min_length=10)


class Operators(Block):
    """Who may administer the fleet, and from where."""

    ssh_keys: tuple[str, ...] = Field(
        default=(),
        description="OpenSSH public keys, or paths of .pub files (relative to the fleet file, ~ allowed); "
        "none means the public half of the key in OUTREACH_SSH_KEY",
    )
    addresses: tuple[IPv4Network, ...] = Field(
        min_length=1, description="Networks that may reach SSH, submission and IMAP on the hosts"
    )


class Orchestrator(Block):
    """The one host that plans, schedules and watches."""

    name: Label = "hub"
    provider: Provider = Provider.HETZNER
    type: str = Field(default="cx33", min_length=1, description="The provider's own name of the server type")
    location: str = Field(
        default="fsn1", min_length=1, description="The provider's own name of the location or region"
    )
    image: str = Field(
        default="debian-13", min_length=1, description="The provider's own name of a Debian 13 image"
    )
    ipv4: IPv4Address | None = Field(default=None, description="Its address, if the server exists already")
    services: tuple[Literal["n8n"], ...] = Field(
        default=(),
        description="What runs on it besides: n8n, behind Caddy, with the workflows of workflows/",
    )
    n8n_workers: Count = Field(
        default=1, ge=1, le=9, description="Processes that carry out n8n's workflows, 1 GiB of memory each"
    )


class Node(Block):
    """One Postfix sending node, or with `count` a row of equal ones: `name: n, count: 8` is n1 to n8."""

    name: Label
    count: Count | None = Field(default=None, ge=1, le=10_000)
    provider: Provider = Provider.CONTABO
    type: str = Field(
        default="V153", min_length=1, description="The provider's own product id or server type"
    )
    location: str = Field(
        default="EU", min_length=1, description="The provider's own name of the location or region"
    )
    image: str = Field(
        default="debian-13", min_length=1, description="The provider's own name of a Debian 13 image"
    )
    term_months: Literal[1, 3, 6, 12] = Field(default=1, description="Contabo's contract term in months")
    max_domains: Count | None = Field(default=None, ge=1, description="Overrides limits.domains_per_node")
    max_accounts: Count | None = Field(default=None, ge=1, description="Overrides limits.accounts_per_node")
    ipv4: IPv4Address | None = Field(default=None, description="Its address, if the server exists already")


class Domain(Block):
    """A sending domain the operator owns. A bare name in the file is short for `{name: ...}`."""

    name: DomainName
    node: Label | None = Field(default=None, description="Its home node; without one it is allocated")
    accounts: Mapping[LocalPart, PersonName] = Field(
        default={},
        description="Its own mailboxes, `local part: display name`; "
        "without any, the first accounts.per_domain of accounts.names",
    )
    accounts_per_domain: Count | None = Field(default=None, ge=1, description="Overrides accounts.per_domain")


def _spelled_out(entry: object) -> object:
    return {"name": entry} if isinstance(entry, str) else entry


class Accounts(Block):
    """Mailboxes made for each domain that names none of its own: the first `per_domain` of `names`."""

    per_domain: Count = Field(default=0, ge=0)
    names: tuple[PersonName, ...] = Field(
        default=(), description="Real people's names; 'Anna Berg' becomes anna.berg@domain"
    )


class Proxies(Block):
    """Proxies as inventory and cost. They carry no SMTP: see docs/going-live.md."""

    provider: str = Field(min_length=1)
    kind: str = Field(default="4g", min_length=1)
    count: Count = Field(ge=0)


class WarmupStage(Block):
    """One stage of the warm-up plan."""

    days: Count = Field(ge=1, description="How many days the stage lasts")
    mails_per_day: Count = Field(ge=1, description="Cap for one account and day")


class Limits(Block):
    """What the fleet is planned by. The nodes do not enforce the mails a day yet: whoever submits must."""

    mails_per_account_per_day: Count = Field(default=50, ge=1)
    domains_per_node: Count = Field(default=5, ge=1)
    accounts_per_node: Count = Field(default=150, ge=1)


class Dns(Block):
    """Where the zones live, and the defaults of their records."""

    provider: Literal["cloudflare"] = "cloudflare"
    account: str = Field(
        min_length=1, max_length=32, description="The Cloudflare account id; zones of others are refused"
    )
    ttl: Count = Field(default=3600, ge=60, le=86_400, description="Seconds")
    dmarc_policy: Literal["none", "quarantine", "reject"] = "none"
    caa: tuple[DomainName, ...] = Field(
        default=("letsencrypt.org",), description="Certificate authorities allowed"
    )


class Dkim(Block):
    """Signing keys: one RSA key a domain, born on its node (RFC 6376, RFC 8301)."""

    selector: Label = "s1"
    bits: Literal[2048, 3072, 4096] = 2048


class Backups(Block):
    """Nightly encrypted archives of what only the orchestrator knows: see docs/backups.md."""

    recipients: tuple[AgeRecipient, ...] = Field(
        min_length=1,
        description="age public keys; whoever holds the identity of one of them can read the archives",
    )
    to: str = Field(
        min_length=1,
        description="Folder of the machine that runs `outreach backup` "
        "(relative to the fleet file, ~ allowed)",
    )
    keep_days: Count = Field(
        default=14, ge=1, le=3650, description="How long an archive stays, counted back from the newest"
    )
    hour: Count = Field(default=3, ge=0, le=23, description="Of the night's archive, UTC")


class Fleet(Block):
    """The whole fleet, as one reviewed file describes it."""

    version: Literal[1] = Field(description="Version of this file's format")
    name: Label = Field(description="Marks everything we make at the providers")
    infra_domain: DomainName = Field(description="Zone of host names, SPF pools and report mailboxes")
    sender: Sender
    operators: Operators
    orchestrator: Orchestrator = Orchestrator()
    nodes: tuple[Node, ...] = Field(min_length=1)
    domains: tuple[
        Annotated[Domain, BeforeValidator(_spelled_out, json_schema_input_type=DomainName | Domain)], ...
    ] = Field(min_length=1)
    accounts: Accounts = Accounts()
    dns: Dns
    dkim: Dkim = Dkim()
    limits: Limits = Limits()
    warmup: tuple[WarmupStage, ...] = ()
    backups: Backups | None = None
    proxies: Proxies | None = None
    prices: str = Field(default="current", description="Price book, by name")
