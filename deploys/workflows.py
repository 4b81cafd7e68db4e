"""The n8n workflows we ship, as values: read, checked, compared with what an n8n has. Pure but for `load`.

n8n is glue here: a schedule or a webhook, calls to our REST API, a branch, a message. A workflow keeps a
stable id of ours, so that an import updates it instead of making a second one, and names credentials by
stable ids, so that its file holds no secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from inventory.workflow import digest

FOLDER = Path(__file__).parents[1] / "workflows"

_ID = re.compile(r"[A-Za-z0-9]{16}")  # the shape of n8n's own ids
_VERSIONS = {
    "code": 2,
    "errorTrigger": 1,
    "httpRequest": 4.2,
    "if": 2.2,
    "scheduleTrigger": 1.2,
    "wait": 1.1,
    "webhook": 2.1,
}
"""Node types that ran in the pinned n8n, with the version that did; others are refused until then."""

_TRIGGERS = {"errorTrigger", "scheduleTrigger", "webhook"}
_CALLS_OUT = "httpRequest"
_LONGEST_CALL = 600_000  # milliseconds


class WorkflowError(ValueError):
    """A workflow file cannot be used; one line says which and why."""


@dataclass(frozen=True)
class Workflow:
    """One workflow.

    Args:
        id: its stable id.
        name: as the UI shows it.
        document: the whole file, as n8n imports it.
    """

    id: str
    name: str
    document: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        """Of what makes it do what it does: see :func:`inventory.workflow.digest`."""
        return digest(self.document)


class Step(StrEnum):
    """What an import would do with a workflow."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    REFUSE = "refuse"
    """It was edited in the UI since we imported it, and nobody said that the edit may go."""


def load(folder: Path = FOLDER) -> tuple[Workflow, ...]:
    """Read every workflow of a folder, by name of file.

    Raises:
        WorkflowError: a file is no workflow that may be imported; names the file, the node and the reason.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise WorkflowError(f"{path}: not JSON: {error}") from None
        for problem in problems(document):
            raise WorkflowError(f"{path}: {problem}")
        found.append(Workflow(document["id"], document["name"], document))
    twice = {one.id for one in found if [other.id for other in found].count(one.id) > 1}
    if twice:
        raise WorkflowError(f"{folder}: two files have the id {min(twice)}")
    return tuple(found)


def difference(
    wanted: Sequence[Workflow],
    present: Mapping[str, Mapping[str, Any]],
    noted: Mapping[str, str],
    *,
    force: bool = False,
) -> dict[str, Step]:
    """Decide what to do with each workflow.

    Args:
        wanted: ours.
        present: documents of workflows as n8n has them, by id.
        noted: digest of each as it was when we last imported it, by id.
        force: an edit in the UI may be overwritten.

    Returns:
        A step for each of ours, by id. Workflows of others are not looked at.
    """
    return {one.id: _step(one, present.get(one.id), noted.get(one.id), force) for one in wanted}


def _step(wanted: Workflow, present: Mapping[str, Any] | None, noted: str | None, force: bool) -> Step:
    if present is None:
        return Step.CREATE
    has = digest(present)
    if has == wanted.digest:
        return Step.KEEP if present.get("active") else Step.UPDATE
    # Ours may be replaced; what is neither ours of now nor ours of then, somebody made.
    return Step.UPDATE if force or has == noted else Step.REFUSE


def problems(document: object) -> Iterator[str]:
    """Everything that speaks against importing a document, one line each."""
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        yield "no workflow: it has no list of nodes"
        return
    if not _ID.fullmatch(str(document.get("id"))):
        yield f"id {document.get('id')!r} is not 16 letters and digits"
    if not document.get("name"):
        yield "it has no name"
    for key in ("name", "id"):
        values = [str(node.get(key)) for node in document["nodes"]]
        yield from (
            f"two nodes have the {key} {value!r}" for value in sorted(set(values)) if values.count(value) > 1
        )
    for node in document["nodes"]:
        yield from (f"node {node.get('name')!r}: {wrong}" for wrong in _node_problems(node))
    kinds = {str(node.get("name")): _kind(node) for node in document["nodes"]}
    yield from _connection_problems(document.get("connections") or {}, kinds)


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("type")).removeprefix("n8n-nodes-base.")


def _node_problems(node: Mapping[str, Any]) -> Iterator[str]:
    kind = _kind(node)
    if _VERSIONS.get(kind) != node.get("typeVersion"):
        yield f"type {node.get('type')} {node.get('typeVersion')} has not been tried in the pinned n8n"
    if "$env" in json.dumps(node.get("parameters")):
        yield "reads $env, which n8n blocks; use a credential"
    for credential in (node.get("credentials") or {}).values():
        if not _ID.fullmatch(str(credential.get("id"))):
            yield f"credential id {credential.get('id')!r} is not 16 letters and digits"
    if kind == "webhook" and not (node.get("credentials") and node.get("webhookId")):
        yield "a webhook needs a credential, or anybody may call it, and a webhookId, or its address changes"
    if kind == _CALLS_OUT:
        yield from _call_problems(node)


def _call_problems(node: Mapping[str, Any]) -> Iterator[str]:
    parameters = node.get("parameters") or {}
    timeout = (parameters.get("options") or {}).get("timeout")
    if not isinstance(timeout, int) or not 0 < timeout <= _LONGEST_CALL:
        yield f"a call needs a timeout of at most {_LONGEST_CALL // 1000} s"
    if not node.get("credentials"):
        yield "a call needs a credential"
    if not node.get("retryOnFail"):
        yield "a call needs retryOnFail"
    headers = (parameters.get("headerParameters") or {}).get("parameters") or ()
    named = {str(header.get("name")).lower() for header in headers}
    repeatable = parameters.get("method", "GET") in ("GET", "PUT") or str(parameters.get("url")).endswith(
        "/validate"
    )
    if not repeatable and "idempotency-key" not in named:
        yield "a POST that is repeated must carry an Idempotency-Key"


def _connection_problems(connections: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[str]:
    reached = set()
    for source, outputs in connections.items():
        targets = [target["node"] for output in outputs.get("main", ()) for target in output or ()]
        reached.update(targets)
        for name in (source, *targets):
            if name not in kinds:
                yield f"a connection names {name!r}, which is no node"
    for name, kind in kinds.items():
        if (name in reached) == (kind in _TRIGGERS):
            yield f"node {name!r} is " + ("a trigger and not first" if name in reached else "never reached")
