"""A node with nothing wrong, and ways to make one thing of it wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dns.exception
import dns.resolver
import dns.rrset

from inventory import Role
from status.facts import (
    Answer,
    DomainNames,
    Door,
    Greeting,
    HostFacts,
    HostNames,
    Inside,
    Outside,
    Subject,
    Verdict,
)
from status.finding import Finding, Level
from status.questions import Questions
from status.sections import Certificate

NOW = 1_800_000_000.0
DAY = 86_400.0
FQDN, ADDRESS, DOMAIN = "n1.infra.example", "192.0.2.11", "a.example"
KEY = "MIIBIjANBgkq"
DKIM = f"v=DKIM1; k=rsa; p={KEY}"
DMARC = "v=DMARC1; p=none; rua=mailto:dmarc-reports@infra.example"
PORTS = (25, 22, 465, 587, 993)
OK, WARNING, FAILED, UNKNOWN = Level.OK, Level.WARNING, Level.FAILED, Level.UNKNOWN
HUB: dict[str, Any] = {"role": Role.ORCHESTRATOR, "host": "hub", "selectors": {}, "recipients": ()}
"""What makes of the node an orchestrator."""


def facts(**over: Any) -> HostFacts:
    """What a healthy node says of itself."""
    running = {"active": "active", "sub": "running", "enabled": "enabled"}
    whole: dict[str, Any] = {
        "started": NOW,
        "ended": NOW + 1,
        "units": dict.fromkeys(("ssh", "nftables", "unbound", "rspamd", "dovecot", "postfix"), running),
        "failed": [],
        "listening": PORTS,
        "firewall": {"loaded": True, "drops": True},
        "sshd": {
            "passwordauthentication": "no",
            "kbdinteractiveauthentication": "no",
            "permitrootlogin": "without-password",
        },
        "disks": [{"mount": "/", "used": 40, "free": 60, "files_used": 10, "files_free": 90}],
        "memory": {"total": 8 << 30, "available": 6 << 30},
        "queue": {"mails": 12, "oldest": 1800},
        "updates": {"security": [], "lists_age": 3600, "reboot": False},
        "clock": {"leap": "Normal", "offset": 0.0001},
        "keys": {DOMAIN: KEY},
        "certificate": {"not_after": NOW + 90 * DAY, "fingerprint": "ab"},
        "mail": {"helo": FQDN, "bind": ADDRESS},
        "outgoing": {"greeting": "220 mx.example ESMTP"},
        **over,
    }
    return HostFacts.model_validate(whole)


def subject(**over: Any) -> Subject:
    """A healthy node, as it is seen; `over` replaces fields of it."""
    domain = DomainNames(
        mx=Answer((f"10 {FQDN}",)),
        spf=Verdict("pass", "sender SPF authorized"),
        dkim=Answer((DKIM,)),
        dmarc=Answer((DMARC,)),
        consents={"infra.example": Answer(("v=DMARC1;",))},
    )
    well = Subject(
        host="n1",
        fqdn=FQDN,
        role=Role.NODE,
        address=ADDRESS,
        selectors={DOMAIN: "s1"},
        dmarc_policy="none",
        recipients=(f"postmaster@{DOMAIN}", f"abuse@{DOMAIN}"),
        inside=Inside(facts(), "", NOW - 0.5, NOW + 1.5),
        outside=Outside(
            dict.fromkeys(PORTS, Door.OPEN),
            Greeting(FQDN, True),
            {25: Certificate(not_after=NOW + 90 * DAY, fingerprint="ab")},
        ),
        names=HostNames(Answer((ADDRESS,)), Answer((FQDN,)), Verdict("pass", ""), {DOMAIN: domain}),
        strangers={25: True, 22: False, 465: False, 587: False, 993: False, 8025: False, 9100: False},
    )
    return replace(well, **over)


def with_facts(**over: Any) -> Subject:
    """A node that says something else of itself."""
    return subject(inside=Inside(facts(**over), "", NOW - 0.5, NOW + 1.5))


def with_domain(**over: Any) -> Subject:
    """A node whose domain DNS says something else of."""
    names = subject().names
    return subject(names=replace(names, domains={DOMAIN: replace(names.domains[DOMAIN], **over)}))


def judged(check: Callable[[Subject], Iterable[Finding]], of: Subject) -> list[tuple[str, Level]]:
    """What a check finds, by what it is about."""
    return [(finding.about, finding.level) for finding in check(of)]


class FakeResolver:
    """Answers from a table; `None` in it stands for a name server that fails, a missing name for NXDOMAIN."""

    def __init__(self, table: Mapping[tuple[str, str], Sequence[str] | None]) -> None:
        self.table = table
        self.asked: list[tuple[str, str]] = []

    def resolve(self, name: str, kind: str, **_: object) -> Any:
        key = (name.rstrip("."), kind)
        self.asked.append(key)
        if key not in self.table:
            raise dns.resolver.NXDOMAIN
        values = self.table[key]
        if values is None:
            raise dns.exception.Timeout
        answer = type("Found", (), {})()
        answer.rrset = dns.rrset.from_text(name, 60, "IN", kind, *values) if values else None
        return answer


def questions(table: Mapping[tuple[str, str], Sequence[str] | None]) -> Questions:
    """Questions that a table answers."""
    return Questions(FakeResolver(table))  # type: ignore[arg-type] # the part of a resolver that is used
