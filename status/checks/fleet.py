"""What concerns the fleet as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from status.checks.judge import Judge, recommended, span
from status.facts import Answer, Subject
from status.finding import Finding, Weight

SILENT = 60.0
"""Seconds. A node says every 5 s that it is there, and after 30 s the coordinator counts it no more."""


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


def workers(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Every node that can be asked is heard by the coordinator, of which it gets its work.

    They are findings of the orchestrator, which tells them. Where no coordinator is at work nobody listens.
    """
    hub = next((subject for subject in subjects if not subject.sends_mail), None)
    engine = hub.inside.facts.engine if hub and hub.inside.facts else None
    if hub is None or engine is None or engine.at_work is None:
        return
    judge = recommended(hub, "worker")
    for subject in subjects:
        if not subject.sends_mail or subject.inside.facts is None:
            continue
        silent = engine.nodes.get(subject.host)
        if silent is not None and silent <= SILENT:
            yield judge.ok(f"heard {span(silent)} ago", subject.host)
        elif engine.at_work <= SILENT:
            yield judge.ok("not heard yet: the coordinator has just begun", subject.host)
        else:
            says = f"not heard for {span(silent)}" if silent is not None else "never heard"
            yield judge.failed(says, f"See `journalctl -u outreach-api` on {subject.host}.", subject.host)
