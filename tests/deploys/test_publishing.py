"""Workflows in n8n: what is asked of it in which order, by the script that the orchestrator runs."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploys.n8n.publishing import publish_there
from deploys.workflows import load
from inventory.workflow import digest

OURS = load()[:2]


class N8n(ThreadingHTTPServer):
    """An n8n as far as publishing goes: it knows the keys it made, and takes what it is given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.here = {
            "/etc/outreach/n8n": str(folder / "etc"),
            "/var/lib/outreach/n8n": str(folder / "var"),
            "PORT = 5678": f"PORT = {self.server_port}",
        }
        self.lets_in = True
        self.calls: list[str] = []
        self.keys: list[str] = []
        self.workflows: dict[str, Any] = {}

    def run(self, *words: str, stdin: str | None = None, timeout: int = 0) -> tuple[bool, list[str]]:
        """Run here what is meant for its host."""
        local = list(words)
        for there, ours in self.here.items():
            local = [word.replace(there, ours) for word in local]
        done = subprocess.run(
            ["sh", "-c", local[0], "sh", *local[1:]],
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout or 60,
            check=False,
        )
        return not done.returncode, done.stdout.splitlines()


class _Answers(BaseHTTPRequestHandler):
    server: N8n

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None: ...

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        called = f"{self.command} {self.path}"
        self.server.calls.append(called)
        status, said = self._said(called, body)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def _said(self, called: str, body: Any) -> tuple[int, Any]:
        n8n, last = self.server, self.path.rpartition("/")[2]
        if called == "POST /rest/login" and not n8n.lets_in:
            return 401, {"message": "Wrong password"}
        if called == "POST /rest/api-keys":
            n8n.keys.append(f"key {len(n8n.keys)}")
            return 200, {"data": {"rawApiKey": n8n.keys[-1]}}
        if called == "POST /rest/workflows":
            n8n.workflows[body["id"]] = body
        elif self.path.startswith("/api/") and self.headers["X-N8N-API-KEY"] not in n8n.keys:
            return 401, {}
        elif self.command == "GET" and "?" not in self.path:
            return (200, n8n.workflows[last]) if last in n8n.workflows else (404, {})
        return 200, {}


@pytest.fixture
def n8n(tmp_path: Path) -> Iterator[N8n]:
    """One of this process, and the orchestrator's folders below a test's own."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/owner-password").write_text("s3cret")
    (tmp_path / "etc/env").write_text("N8N_INSTANCE_OWNER_EMAIL=owner@a.test\n")
    with N8n(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def publish(n8n: N8n) -> str | None:
    """As apply does it."""
    return publish_there(n8n.run, OURS, force=False)


def test_a_fresh_n8n_gives_a_key_and_has_the_workflows_published(n8n: N8n, tmp_path: Path) -> None:
    assert publish(n8n) is None
    assert n8n.keys == ["key 0"]
    assert (tmp_path / "var/api-key").read_text() == "key 0"
    assert (tmp_path / "var/api-key").stat().st_mode & 0o077 == 0
    assert sorted(n8n.workflows) == sorted(one.id for one in OURS)
    assert {f"POST /api/v1/workflows/{one.id}/publish" for one in OURS} <= set(n8n.calls)
    noted = json.loads((tmp_path / "var/workflows.json").read_text())
    assert noted == {one.id: digest(n8n.workflows[one.id]) for one in OURS}


def test_edits_found_once_a_lost_key_is_made_anew_are_left_and_nothing_is_published(n8n: N8n) -> None:
    assert publish(n8n) is None
    for document in n8n.workflows.values():
        document["name"] = "edited"
    n8n.keys.clear()
    n8n.calls.clear()
    assert publish(n8n) is None
    assert n8n.calls == [
        "GET /api/v1/workflows?limit=1",
        "POST /rest/login",
        "POST /rest/api-keys",
        *(f"GET /api/v1/workflows/{one.id}" for one in OURS),
    ]
    assert {document["name"] for document in n8n.workflows.values()} == {"edited"}


def test_an_owner_whom_n8n_does_not_let_in_is_one_line(n8n: N8n) -> None:
    n8n.lets_in = False
    assert publish(n8n) == "n8n refuses to log its owner in: 401 Wrong password"
    assert n8n.workflows == {}
