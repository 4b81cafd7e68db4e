"""The service is what its OpenAPI says: judged by schemathesis, and by sending each of its examples."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.api.conftest import Far
from tests.api.running import Running, running
from tests.notifier.conftest import SPEED, Telegram
from tests.validator.servers import Mx

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXAMPLES = 12
JOB = "0192f0c1a2b3c4d5e6f708192a3b4c5d"
"""The example of a job's id."""


@pytest.fixture
def judged(far_side: dict[str, Mx], telegram: Telegram, tmp_path: Path) -> Iterator[Running]:
    """A service of its own: hundreds of jobs and messages would be in other tests' way."""
    service = Running(tmp_path, Far.world)
    service.report("status", {"fleet": "test", "hosts": []})
    service.environ |= telegram.env | {"NOTIFIER_TEST_SPEED": str(SPEED)}
    with running(service):
        yield service


def test_schemathesis_finds_nothing(judged: Running, tmp_path: Path) -> None:
    for name in ("schemathesis.toml", "hooks.py"):
        shutil.copy(HERE / name, tmp_path)
    command = [str(SCHEMATHESIS), "run", f"{judged.url}/openapi.json", "--no-color"]
    command += ["--header", f"X-API-Key: {judged.key}", "--max-examples", str(EXAMPLES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    operations = re.search(r"Tested: (\d+)", done.stdout)
    assert operations is not None
    assert int(operations[1]) == sum(len(path) for path in openapi(judged)["paths"].values())
    assert judged.process is not None
    assert judged.process.poll() is None
    assert not [line for line in judged.lines() if line.get("status") == 500 or line["level"] == "error"]


def openapi(service: Running) -> dict[str, Any]:
    """What the service says of itself."""
    with service.client("") as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def calls(path: str, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A call for each example of an operation, as httpx takes it."""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        for example in parameter["schema"].get("examples", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", example)
            else:
                (query if parameter["in"] == "query" else headers)[parameter["name"]] = example
    call: dict[str, Any] = {"url": path, "params": query, "headers": headers}
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        yield call
    for kind, body in content.items():
        examples = [body["example"]] if "example" in body else body["schema"]["examples"]
        for number, example in enumerate(examples):
            # Another body under the same key would be another call.
            own = {name: f"{value}/{kind}/{number}" for name, value in headers.items()}
            if kind == "multipart/form-data":
                yield {**call, "headers": own, "files": {"file": ("list.txt", example["file"])}}
            else:
                text = example if isinstance(example, str) else json.dumps(example)
                yield {**call, "headers": {**own, "Content-Type": kind}, "content": text}


def resolved(part: Any, schemas: dict[str, Any]) -> Any:
    """A part of the description with each reference replaced by what it means."""
    if isinstance(part, list):
        return [resolved(item, schemas) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return resolved(schemas[part["$ref"].rpartition("/")[2]], schemas)
    return {name: resolved(item, schemas) for name, item in part.items()}


def test_each_example_of_the_openapi_is_answered_as_it_says(judged: Running) -> None:
    with judged.client() as client:
        answer_each(client, openapi(judged))


def answer_each(client: httpx.Client, described: dict[str, Any]) -> None:
    """Send every example of every operation, and judge its answer."""
    operations = resolved(described["paths"], described["components"]["schemas"])
    job = client.post("/jobs", json={"emails": [f"e{n}@slow.test" for n in range(40)]}).json()["id"]
    answered = []
    # What stops the job comes last.
    for path in sorted(operations, key=lambda path: path.endswith("cancel")):
        for method, operation in operations[path].items():
            sent = list(calls(path, operation))
            assert sent, f"{method} {path} has no example"
            for call in sent:
                call["url"] = call["url"].replace(JOB, job)
                answer = client.request(method, **call)
                judge(answer, operation["responses"])
                answered.append((path, method))
    assert len(set(answered)) == sum(len(path) for path in operations.values())


def judge(answer: httpx.Response, responses: dict[str, Any]) -> None:
    """Hold that a call went well, and its answer is what the description says it is."""
    assert answer.is_success, answer.text
    kind = answer.headers["content-type"].partition(";")[0]
    schema = responses[str(answer.status_code)]["content"][kind]["schema"]
    value = answer.json() if kind == "application/json" else answer.text
    Draft202012Validator(schema).validate(value)
