"""Workflows as values: what we ship may be imported, and an import never destroys what somebody made."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploys.workflows import Step, Workflow, WorkflowError, difference, load, problems
from inventory.workflow import digest


def by_name(name: str) -> dict[str, Any]:
    return copy.deepcopy(dict(next(one.document for one in load() if one.name == name)))


def node(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["nodes"] if one["name"] == name)
    return found


def test_the_shipped_workflows_may_be_imported() -> None:
    assert [one.name for one in load()] == ["Daily digest", "Error workflow", "Leads to validated leads"]


def test_every_failed_execution_is_told_of_by_the_error_workflow() -> None:
    others = [one for one in load() if one.name != "Error workflow"]
    error_workflow = by_name("Error workflow")["id"]
    assert {one.document["settings"]["errorWorkflow"] for one in others} == {error_workflow}


def call(document: dict[str, Any]) -> dict[str, Any]:
    return node(document, "Begin a job")


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "timeout": lambda document: call(document)["parameters"]["options"].clear(),
    "credential": lambda document: call(document).pop("credentials"),
    "retry": lambda document: call(document).update(retryOnFail=False),
    "key": lambda document: call(document)["parameters"].pop("headerParameters"),
    "webhook": lambda document: node(document, "Leads wanted").pop("credentials"),
    "env": lambda document: call(document)["parameters"].update(url="={{ $env.API }}/jobs"),
    "version": lambda document: call(document).update(typeVersion=3),
    "type": lambda document: call(document).update(type="n8n-nodes-base.executeCommand"),
    "name": lambda document: call(document).update(name="Wait"),
    "connection": lambda document: lead_to(document, "Nowhere"),
    "orphan": lambda document: document["connections"].pop("Load leads"),
    "late trigger": lambda document: lead_to(document, "Leads wanted"),
    "id": lambda document: document.update(id="short"),
}


def lead_to(document: dict[str, Any], name: str) -> None:
    document["connections"]["Wait"]["main"][0][0]["node"] = name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("timeout", "node 'Begin a job': a call needs a timeout"),
        ("credential", "node 'Begin a job': a call needs a credential"),
        ("retry", "node 'Begin a job': a call needs retryOnFail"),
        ("key", "node 'Begin a job': a POST that is repeated must carry an Idempotency-Key"),
        ("webhook", "node 'Leads wanted': a webhook needs a credential"),
        ("env", "node 'Begin a job': reads $env"),
        ("version", "has not been tried"),
        ("type", "n8n-nodes-base.executeCommand 4.2 has not been tried"),
        ("name", "two nodes have the name 'Wait'"),
        ("connection", "a connection names 'Nowhere'"),
        ("orphan", "node 'Prepare' is never reached"),
        ("late trigger", "node 'Leads wanted' is a trigger and not first"),
        ("id", "id 'short' is not 16 letters"),
    ],
)
def test_a_workflow_that_could_lose_work_or_leak_is_refused(change: str, says: str) -> None:
    document = by_name("Leads to validated leads")
    CHANGES[change](document)
    assert any(says in problem for problem in problems(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"nodes": 3}', "\x00"])
def test_nonsense_in_a_workflow_file_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "leads.json").write_text(text)
    with pytest.raises(WorkflowError, match=r"leads\.json") as caught:
        load(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(by_name("Daily digest")))
    with pytest.raises(WorkflowError, match="two files have the id"):
        load(tmp_path)


def edited() -> dict[str, Any]:
    document = by_name("Daily digest")
    node(document, "Every morning")["parameters"]["rule"]["interval"][0]["expression"] = "0 9 * * *"
    return document


def as_n8n_has_it(document: dict[str, Any], *, active: bool = True) -> dict[str, Any]:
    """What n8n adds by itself: dates, ids of versions, settings and empty fields."""
    settings = {**document["settings"], "callerPolicy": "workflowsFromSameOwner", "availableInMCP": False}
    nodes = [{**one, "notes": None} for one in reversed(document["nodes"])]
    return {
        **document,
        "settings": settings,
        "nodes": nodes,
        "active": active,
        "versionId": "x",
        "updatedAt": "y",
    }


WANTED = by_name("Daily digest")
BEFORE = {**WANTED, "name": "Digest"}


@pytest.mark.parametrize(
    ("present", "noted", "force", "step"),
    [
        (None, None, False, Step.CREATE),
        (as_n8n_has_it(WANTED), digest(WANTED), False, Step.KEEP),
        (as_n8n_has_it(WANTED), None, False, Step.KEEP),
        (as_n8n_has_it(WANTED, active=False), digest(WANTED), False, Step.UPDATE),
        (as_n8n_has_it(BEFORE), digest(BEFORE), False, Step.UPDATE),
        (as_n8n_has_it(edited()), digest(WANTED), False, Step.REFUSE),
        (as_n8n_has_it(edited()), digest(BEFORE), False, Step.REFUSE),
        (as_n8n_has_it(edited()), None, False, Step.REFUSE),
        (as_n8n_has_it(edited()), digest(WANTED), True, Step.UPDATE),
    ],
)
def test_an_edit_made_in_the_ui_is_never_overwritten_unasked(
    present: dict[str, Any] | None, noted: str | None, force: bool, step: Step
) -> None:
    wanted = Workflow(WANTED["id"], WANTED["name"], WANTED)
    has = {WANTED["id"]: present} if present else {}
    notes = {WANTED["id"]: noted} if noted else {}
    assert difference([wanted], has, notes, force=force) == {WANTED["id"]: step}
