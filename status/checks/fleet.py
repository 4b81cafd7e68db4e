"""What concerns the fleet as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from status.checks.judge import Judge
from status.facts import Answer, Subject
from status.finding import Finding, Weight


def reports(infra: str, first: str, mx: Answer) -> Iterator[Finding]:
    """The fleet's reports come to its first node.

    Args:
        infra: the infrastructure's domain, at which the report mailboxes are.
        first: full name of the first node.
        mx: MX records of that domain.
    """
    judge = Judge("", "mx", Weight.RECOMMENDED)
    hosts = [value.partition(" ")[2] for value in mx.values]
    if mx.problem:
        yield judge.unknown(f"{infra}: {mx.problem}", "Is its zone delegated?", infra)
    elif first in hosts:
        yield judge.ok(f"reports come to {first}", infra)
    else:
        found = ", ".join(hosts) or "nobody"
        yield judge.failed(
            f"reports go to {found}, not to {first}", "`outreach plan --only dns` tells more.", infra
        )


def releases(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """All hosts that have our tools run one version of them."""
    versions = {
        subject.host: subject.inside.facts.release.version
        for subject in subjects
        if subject.inside.facts and subject.inside.facts.release
    }
    if not versions:
        return
    judge = Judge("", "tools", Weight.RECOMMENDED)
    usual, count = Counter(versions.values()).most_common(1)[0]
    others = [f"{host} {version}" for host, version in versions.items() if version != usual]
    if others:
        more = f", and {len(others) - 5} more" if len(others) > 5 else ""
        says = f"{count} hosts run {usual}, but {', '.join(others[:5])}{more}"
        yield judge.warning(says, "`outreach apply` brings all to one version.")
    else:
        yield judge.ok(f"{count} hosts run {usual}")
