"""Short ways to say how something is, for the checks."""

from __future__ import annotations

from dataclasses import dataclass

from status.facts import Subject
from status.finding import Finding, Level, Weight


@dataclass(frozen=True)
class Judge:
    """Makes the findings of one check on one host.

    Args:
        host: label of the host.
        check: name of the check.
        weight: whether mail suffers without it.
    """

    host: str
    check: str
    weight: Weight = Weight.REQUIRED

    def ok(self, says: str, about: str = "") -> Finding:
        """It is as it should be."""
        return Finding(self.host, self.check, about, Level.OK, self.weight, says)

    def warning(self, says: str, advice: str, about: str = "") -> Finding:
        """It will not do for long."""
        return Finding(self.host, self.check, about, Level.WARNING, self.weight, says, advice)

    def failed(self, says: str, advice: str, about: str = "") -> Finding:
        """It is not as it must be."""
        return Finding(self.host, self.check, about, Level.FAILED, self.weight, says, advice)

    def unknown(self, says: str, advice: str = "", about: str = "") -> Finding:
        """Nobody knows."""
        return Finding(self.host, self.check, about, Level.UNKNOWN, self.weight, says, advice)

    def measured(self, says: str, advice: str, about: str = "", *, failed: bool, warning: bool) -> Finding:
        """A figure against its two limits, the worse first; the advice is for whoever is over one."""
        if failed:
            return self.failed(says, advice, about)
        return self.warning(says, advice, about) if warning else self.ok(says, about)


def required(subject: Subject, check: str) -> Judge:
    """A judge of something that mail needs."""
    return Judge(subject.host, check)


def recommended(subject: Subject, check: str) -> Judge:
    """A judge of something that mail does without for a while."""
    return Judge(subject.host, check, Weight.RECOMMENDED)


def unread(subject: Subject, section: str, judge: Judge, about: str = "", *, of: str = "") -> list[Finding]:
    """The finding for a section that a host could not read; none where it need not have it.

    Args:
        subject: the host.
        section: of its facts.
        judge: of the check.
        about: what the finding is about.
        of: the unit that was asked; none is made where it does not run, which is said once, by `service`.
    """
    facts = subject.inside.facts
    if facts is None or section not in facts.errors:
        return []
    asked = (facts.units or {}).get(of)
    if asked is not None and asked.active != "active":
        return []
    return [judge.unknown(f"could not be read: {facts.errors[section]}", "Log in and try by hand.", about)]


def span(seconds: float) -> str:
    """A time span for people: `3 days`, `5 h`, `12 s`."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
