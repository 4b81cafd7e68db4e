"""Workflows as values: what we ship may be imported, and an import never destroys what somebody made."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from deploys.workflows import Step, Workflow, WorkflowError, difference, digest, load, problems


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


def broken(change: str) -> dict[str, Any]:
    document = by_name("Leads to validated leads")
    begin = node(document, "Begin a job")
    match change:
        case "timeout":
            del begin["parameters"]["options"]["timeout"]
        case "credential":
            del begin["credentials"]
        case "retry":
            begin["retryOnFail"] = False
        case "key":
            del begin["parameters"]["headerParameters"]
        case "webhook":
            del node(document, "Leads wanted")["credentials"]
        case "env":
            begin["parameters"]["url"] = "={{ $env.API }}/jobs"
        case "version":
            begin["typeVersion"] = 3
        case "type":
            begin["type"] = "n8n-nodes-base.executeCommand"
        case "name":
            begin["name"] = "Wait"
        case "connection":
            document["connections"]["Wait"]["main"][0][0]["node"] = "Nowhere"
        case "orphan":
            del document["connections"]["Load leads"]
        case "id":
            document["id"] = "short"
    return document


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
        ("orphan", "it must begin at one node and begins at 2"),
        ("id", "id 'short' is not 16 letters"),
    ],
)
def test_a_workflow_that_could_lose_work_or_leak_is_refused(change: str, says: str) -> None:
    assert any(says in problem for problem in problems(broken(change)))


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
