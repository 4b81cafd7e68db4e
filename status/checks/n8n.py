"""n8n: its processes, its workflows' last runs, and the credentials it keeps."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.workflow import digest
from status.checks.judge import Judge, recommended, required, span, unread
from status.facts import Subject
from status.finding import Finding
from status.sections import Workflow

LATE = 2 * 3600.0
"""Seconds after its time at which a run is missed: an execution may take as long."""

_BROKEN = ("error", "crashed")


def processes(subject: Subject) -> Iterator[Finding]:
    """The main process and every worker say that they reach their database and queue."""
    judge, facts = required(subject, "n8n"), subject.inside.facts
    yield from unread(subject, "n8n", judge)
    for name, problem in ((facts.n8n if facts else None) or {}).items():
        if problem:
            unit = f"n8n-{name.replace(' ', '@')}" if name != "main" else "n8n"
            yield judge.failed(f"not ready: {problem}", f"See `journalctl -u {unit}` there.", name)
        else:
            yield judge.ok("ready", name)


def credentials(subject: Subject) -> Iterator[Finding]:
    """N8n's key opens every credential it keeps: after a restoration it may be another fleet's."""
    judge, facts = required(subject, "n8n credentials"), subject.inside.facts
    yield from unread(subject, "credentials", judge, of="postgresql@17-main")
    if facts is None or facts.credentials is None:
        return
    found = facts.credentials
    if found.closed:
        yield judge.failed(
            f"{len(found.closed)} of {found.stored} cannot be decrypted: {', '.join(found.closed[:3])}",
            "They were stored under another OUTREACH_SECRET: apply with that one (docs/backups.md).",
        )
    else:
        yield judge.ok(f"{found.stored} can be decrypted")


def workflows(subject: Subject) -> Iterator[Finding]:
    """What was published still is, as it was; its last run succeeded, and what has a schedule keeps it."""
    judge, facts = recommended(subject, "workflow"), subject.inside.facts
    yield from unread(subject, "workflows", judge, of="postgresql@17-main")
    for workflow in (facts.workflows if facts else None) or ():
        if workflow.published or workflow.ours:
            yield _workflow(judge, workflow)


def _workflow(judge: Judge, workflow: Workflow) -> Finding:
    name = workflow.name
    if not workflow.published:
        return judge.failed("is not published any more", "Publish it in n8n: docs/workflows.md.", name)
    if workflow.content is not None and digest(workflow.content) != workflow.noted:
        says = "was edited in n8n since it was published"
        return judge.warning(says, "`outreach apply --force` puts that of workflows/ in its place.", name)
    # One that was just published, or changed, has had no time yet.
    since = min(workflow.changed, workflow.triggered if workflow.triggered is not None else workflow.changed)
    if workflow.period is not None and since > workflow.period + LATE:
        says = f"its schedule did not start it for {span(since)}"
        return judge.failed(says, "See `journalctl -u n8n` there, and its executions in n8n.", name)
    if workflow.ran is None:
        return judge.ok("never ran", name)
    says = f"its last run, {span(workflow.ran)} ago: {workflow.status}"
    if workflow.status in _BROKEN:
        return judge.warning(says, "Its execution in n8n tells which node failed, and why.", name)
    return judge.ok(says, name)
