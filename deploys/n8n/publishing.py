"""The operation that has our workflows in n8n, published, and leaves what somebody edited there alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.configuration import reason
from deploys.operations.ledger import failed, ledger, plan, remark
from deploys.operations.remote import RemoteError, run
from deploys.workflows import Step, Workflow, difference
from inventory.workflow import digest

NOTES = "/var/lib/outreach/n8n/workflows.json"
"""On the host: the digest of each workflow as it was when we last published it, by id."""

_PUBLISHER = Path(__file__).with_name("publisher.py")
_SECONDS = 300
_ASK = """set -eu
umask 077
python3 -I -c "$1" "$2"
"""
_NOTE = f"""set -eu
umask 077
mkdir -p "$(dirname {NOTES})"
cat >{NOTES}.new
mv -f {NOTES}.new {NOTES}
"""


class PublishedWorkflows(FactBase[tuple[Mapping[str, Any], Mapping[str, str]]]):
    """Our workflows as n8n has them, and the digests that were noted; both by id, both empty without n8n."""

    def command(self, ids: tuple[str, ...]) -> str:
        """Two lines: what n8n has, what was noted."""
        source = shlex.quote(_PUBLISHER.read_text("utf-8"))
        return f"python3 -I -c {source} look {' '.join(ids)}; cat {NOTES} 2>/dev/null || echo '{{}}'"

    def process(self, output: list[str]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Parse them."""
        present = json.loads(output[0]) if output[0] != "absent" else {}
        return present, json.loads(output[1])


@operation()
def published(
    workflows: Sequence[Workflow], *, force: bool = False
) -> Generator[FunctionCommand, None, None]:
    """Have workflows in n8n, published, as their files say.

    + workflows: ours; none on a host without n8n
    + force: what was edited in n8n may be overwritten
    """
    if not workflows:
        host.noop("nothing for hosts of this role")
        return
    present, noted = _seen(workflows)
    steps = difference(workflows, present, noted, force=force)
    for one in workflows:
        if steps[one.id] is Step.REFUSE:
            remark(
                f"workflow {one.name!r} was edited in n8n and is left as it is there;"
                " `outreach apply --force` puts that of workflows/ in its place"
            )
    todo = [one for one in workflows if steps[one.id] in (Step.CREATE, Step.UPDATE)]
    if not todo:
        host.noop("all workflows are published")
        return
    lines = [f"workflows: {steps[one.id]} and publish {one.name!r}" for one in todo]
    plan(lines)
    yield FunctionCommand(_publisher(workflows, lines, force=force), [], {})


def _seen(workflows: Sequence[Workflow]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    return host.get_fact(PublishedWorkflows, tuple(one.id for one in workflows)) or ({}, {})


def _publisher(
    workflows: Sequence[Workflow], lines: Sequence[str], *, force: bool
) -> Callable[[State, Host], bool]:
    def publish(state: State, host: Host) -> bool:
        try:
            error = publish_there(partial(run, host), workflows, force=force)
        except RemoteError as broken:
            return failed(state, host, f"workflows: {broken}; run it again")
        if error:
            return failed(state, host, f"workflows: {error}")
        ledger(host).done.extend(lines)
        return True

    return publish


def publish_there(
    run: Callable[..., tuple[bool, list[str]]], workflows: Sequence[Workflow], *, force: bool
) -> str | None:
    """Publish what differs by now, and note how n8n has it.

    Args:
        run: :func:`deploys.operations.remote.run` on the orchestrator.
        workflows: ours.
        force: what was edited in n8n may be overwritten.

    Returns:
        What went wrong, if anything.

    Raises:
        RemoteError: as `run` does.
    """
    source = _PUBLISHER.read_text("utf-8")
    # The key first: where there is none, or the database was restored, nothing could be seen, and edits would
    # be overwritten unasked.
    succeeded, said = run(_ASK, source, "key", timeout=_SECONDS)
    if not succeeded:
        return reason(said)
    _, said = run(PublishedWorkflows().command(tuple(one.id for one in workflows)))
    present, noted = PublishedWorkflows().process(said)
    steps = difference(workflows, present, noted, force=force)
    todo = [one.document for one in workflows if steps[one.id] in (Step.CREATE, Step.UPDATE)]
    if not todo:
        return None
    succeeded, said = run(_ASK, source, "publish", stdin=json.dumps(todo), timeout=_SECONDS)
    if not succeeded:
        return reason(said)
    now = {key: digest(document) for key, document in json.loads(said[-1]).items()}
    noted_now, said = run(_NOTE, stdin=json.dumps({**noted, **now}))
    return None if noted_now else reason(said)
