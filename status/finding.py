"""A finding: one thing looked at on one host, and how it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST = 300


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """How much it wants to be seen: FAILED most."""
        return (Level.OK, Level.UNKNOWN, Level.WARNING, Level.FAILED).index(self)


class Weight(StrEnum):
    """Whether mail suffers without it."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        host: label of the host; empty for the fleet as a whole.
        check: which check found it: `spf`, `disk`.
        about: what it is about, where a host has several: a domain, a unit, a port.
        level: how it is.
        weight: whether mail suffers from it.
        says: what was seen, on one line.
        advice: what to do about it; empty if nothing.
    """

    host: str
    check: str
    about: str
    level: Level
    weight: Weight
    says: str
    advice: str = ""

    def __post_init__(self) -> None:
        """Keep to one line of plain text: much of it is what hosts and servers of others said."""
        for name in ("says", "advice"):
            text = " ".join(_CONTROL.sub(" ", getattr(self, name)).split())
            short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
            object.__setattr__(self, name, short)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same finding in the next run."""
        return (self.host, self.check, self.about)

    @property
    def title(self) -> str:
        """The check and what it is about."""
        return f"{self.check} {self.about}".strip()

    @property
    def broken(self) -> bool:
        """Whether something required is not known to be fine."""
        return self.weight is Weight.REQUIRED and self.level in (Level.FAILED, Level.UNKNOWN)


@dataclass(frozen=True)
class Report:
    """What one run found.

    Args:
        fleet: its name.
        at: when, seconds since 1970.
        hosts: labels of the hosts that were looked at, in the order of the fleet.
        findings: everything found, the fine things too.
        unseen: hosts that could not be asked: what only they know is missing from the findings.
        whole: every host of the fleet was looked at.
    """

    fleet: str
    at: float
    hosts: tuple[str, ...]
    findings: tuple[Finding, ...]
    unseen: frozenset[str] = field(default=frozenset())
    whole: bool = True

    @property
    def fine(self) -> bool:
        """Whether all that is required is known to be fine."""
        return not any(finding.broken for finding in self.findings)

    def of(self, host: str) -> list[Finding]:
        """The findings of a host, the worst first."""
        found = [finding for finding in self.findings if finding.host == host]
        return sorted(found, key=lambda finding: (-finding.level.rank, finding.weight, finding.title))

    def count(self, level: Level) -> int:
        """How many findings have this level."""
        return sum(finding.level is level for finding in self.findings)


def worst(findings: Sequence[Finding]) -> Level:
    """The level that stands for all; OK where there is nothing."""
    return max((finding.level for finding in findings), key=lambda level: level.rank, default=Level.OK)
