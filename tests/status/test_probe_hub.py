"""What the probe reads on an orchestrator: of a real NATS, of a real PostgreSQL, and what it decrypts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine import subjects
from engine.coordinator import Coordinator
from engine.link import Link
from engine.messages import Pulse
from engine.pace import Pace
from status.facts import HostFacts
from status.probe import engine, n8n
from tests.engine.conftest import folder, postgres  # noqa: F401 - the engine's PostgreSQL
from tests.engine.servers import Nats, Postgres, free_port
from tests.status.samples import DAY


class Monitored(Nats):
    """NATS with its monitoring pages open."""

    def __init__(self, where: Path) -> None:
        port, self.monitor = free_port(), free_port()
        lines = (f'listen: "127.0.0.1:{port}"', f'http: "127.0.0.1:{self.monitor}"')
        store = f'jetstream {{ store_dir: "{where}/store", max_file: {4 << 30} }}'
        super().__init__(where, "\n".join((*lines, store, "")), port=port)


@pytest.fixture
def monitored(tmp_path: Path) -> Iterator[Monitored]:
    server = Monitored(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def asked(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:  # noqa: F811
    """PostgreSQL, which the probe asks without its own user and socket."""
    for module in (engine, n8n):
        monkeypatch.setattr(module, "psql", lambda _, query: postgres.rows(query)[0][0])
    return postgres


def read(**sections: Any) -> HostFacts:
    return HostFacts.model_validate({"started": 0, "ended": 0, **json.loads(json.dumps(sections))})


def test_a_coordinator_at_work_its_streams_and_the_nodes_it_hears_are_read(
    monitored: Monitored, asked: Postgres
) -> None:
    async def world() -> tuple[HostFacts, HostFacts]:
        coordinator = Coordinator(asked.conninfo, Link(monitored.url), pace=Pace(poll=0.05, sweep=0.2))
        working = asyncio.create_task(coordinator.run())
        client = await nats_client.connect(monitored.url, name="worker n1")
        for _ in range(100):
            await client.publish(subjects.heartbeat("n1"), Pulse(3, 1, (), "").encode())
            await asyncio.sleep(0.1)
            with contextlib.suppress(Exception):  # no schema, no stream yet
                if (await asyncio.to_thread(engine.engine))["nodes"]:
                    break
        await client.jetstream().publish(subjects.work("misc", "j1"), b"x" * 1000)
        before = await asyncio.to_thread(_facts, monitored.monitor)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        after = await asyncio.to_thread(_facts, monitored.monitor)
        await client.close()
        return before, after

    before, after = asyncio.run(world())
    assert before.engine
    assert before.nats
    assert before.engine.at_work is not None
    assert before.engine.at_work < 60
    assert 0 <= before.engine.nodes["n1"] < 30
    assert set(before.nats.connected) == {"coordinator", "worker n1"}
    assert set(before.nats.streams) == {"WORK", "VERDICTS"}
    work = before.nats.streams["WORK"]
    assert (work.messages, work.most) == (1, 1 << 30)
    assert work.bytes > 1000
    assert 0 <= work.oldest < 30
    assert after.engine
    assert after.engine.at_work is None
    assert after.nats
    assert after.nats.connected == ("worker n1",)


def _facts(monitor: int) -> HostFacts:
    return read(nats=engine.nats(monitor), engine=engine.engine())


TABLES = """
CREATE TABLE workflow_entity (id varchar PRIMARY KEY, name varchar, "activeVersionId" varchar, nodes json,
    "updatedAt" timestamptz(3), "isArchived" boolean, connections json DEFAULT '{}', settings json);
CREATE TABLE execution_entity (id serial PRIMARY KEY, "workflowId" varchar, mode varchar, status varchar,
    "startedAt" timestamptz(3), "createdAt" timestamptz(3));
INSERT INTO workflow_entity (id, name, "activeVersionId", nodes, "updatedAt", "isArchived") VALUES
    ('OutreachDigest01', 'Daily digest', 'v', '[{"type": "n8n-nodes-base.scheduleTrigger",
        "parameters": {"rule": {"interval": [{"field": "cronExpression", "expression": "0 7 * * *"}]}}}]',
        now() - interval '9 days', false),
    ('OutreachLeads001', 'Leads', NULL, '[]', now(), false),
    ('old', 'Old', 'v', '[]', now(), true);
INSERT INTO execution_entity ("workflowId", mode, status, "startedAt", "createdAt") VALUES
    ('OutreachDigest01', 'trigger', 'success', now() - interval '30 hours', now()),
    ('OutreachDigest01', 'webhook', 'error', NULL, now() - interval '1 hour');
"""


def test_workflows_are_read_with_their_last_runs(
    asked: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    notes = tmp_path / "workflows.json"
    notes.write_text('{"OutreachDigest01": "d", "OutreachErrors01": "d"}')
    monkeypatch.setattr(n8n, "NOTES", notes)
    asked.rows(TABLES)
    found = {one.name: one for one in read(workflows=n8n.workflows()).workflows or ()}
    digest = found["Daily digest"]
    assert (digest.published, digest.ours, digest.status, digest.period) == (True, True, "error", DAY)
    assert digest.ran == pytest.approx(3600, abs=60)
    assert digest.triggered == pytest.approx(30 * 3600, abs=60)
    assert digest.changed == pytest.approx(9 * DAY, abs=60)
    assert (digest.noted, digest.content and digest.content["connections"]) == ("d", {})
    assert (found["Leads"].published, found["Leads"].ours, found["Leads"].ran) == (False, False, None)
    assert (found["OutreachErrors01"].published, found["OutreachErrors01"].ours) == (False, True)
    assert "Old" not in found


def test_nodes_that_somebody_wrote_by_hand_have_no_schedule() -> None:
    schedule = {"type": "n8n-nodes-base.scheduleTrigger", "parameters": {"rule": {"interval": 7}}}
    nonsense: tuple[Any, ...] = ("nonsense", None, [1, None, "x", {}], [schedule])
    assert [n8n.period(nodes) for nodes in nonsense] == [None] * 4


@pytest.mark.parametrize(
    ("rules", "days"),
    [
        ([{"field": "minutes", "minutesInterval": 5}], 1),
        ([{}], 1),  # n8n leaves away what is its default
        ([{"field": "days", "daysInterval": 3}], 3),
        ([{"field": "weeks"}], 7),
        ([{"field": "weeks", "weeksInterval": 3}], None),
        ([{"field": "months"}], None),
        ([{"field": "cronExpression", "expression": "0 7 * * *"}], 1),
        ([{"field": "cronExpression", "expression": "0 0 7 * * 1"}], 7),
        ([{"field": "cronExpression", "expression": "0 7 1 * *"}], None),
        ([{"field": "cronExpression", "expression": "={{ 1 }}"}], None),
        ([{"field": "months"}, {"field": "days"}], 1),
        ([], None),
    ],
)
def test_a_schedule_tells_how_often_it_starts_at_least(rules: list[dict[str, Any]], days: int | None) -> None:
    node = {"type": "n8n-nodes-base.scheduleTrigger", "parameters": {"rule": {"interval": rules}}}
    assert n8n.period([{"type": "n8n-nodes-base.webhook"}, node]) == (days * DAY if days else None)
    assert n8n.period([node | {"disabled": True}]) is None


OWN, OTHER, DATA_KEY = "instance key", "another instance's", "ab" * 32


def cbc(text: str, key: str) -> str:
    """As n8n has always encrypted: AES-256-CBC, key and vector by OpenSSL's old derivation (MD5)."""
    salt = os.urandom(8)
    made, last = b"", b""
    while len(made) < 48:
        last = hashlib.md5(last + key.encode() + salt).digest()  # noqa: S324 - n8n's choice
        made += last
    pad = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(made[:32]), modes.CBC(made[32:48])).encryptor()
    data = cipher.update(pad.update(text.encode()) + pad.finalize()) + cipher.finalize()
    return base64.b64encode(b"Salted__" + salt + data).decode()


def gcm(text: str, key: str) -> str:
    """As n8n 2.41 wraps keys: AES-256-GCM, key and vector by HKDF-SHA256."""
    salt = os.urandom(32)
    made = HKDF(hashes.SHA256(), 44, salt, b"n8n-encryption-v1").derive(bytes.fromhex(key))
    sealed = AESGCM(made[:32]).encrypt(made[32:], text.encode(), None)
    return base64.b64encode(b"\x01" + salt + sealed[-16:] + sealed[:-16]).decode()


def wrapped(key: str, by: str) -> str:
    return gcm(key, hashlib.sha256(by.encode()).hexdigest())


FIRST = {"id": "k1", "value": wrapped(OWN, OWN), "algorithm": "aes-256-cbc"}
FIRST_OF_OTHERS = {"id": "k1", "value": wrapped(OTHER, OTHER), "algorithm": "aes-256-cbc"}
ROTATED = {"id": "k2", "value": wrapped(DATA_KEY, OWN), "algorithm": "aes-256-gcm"}


@pytest.mark.parametrize(
    ("keys", "data", "readable"),
    [
        ([], cbc('{"a":1}', OWN), True),
        ([FIRST], cbc('{"a":1}', OWN), True),
        ([FIRST], cbc('{"a":1}', OTHER), False),
        ([], cbc('{"a":1}', OTHER), False),
        # Stored anew under the new key, n8n still looks for the key that was first, which it cannot unwrap.
        ([FIRST_OF_OTHERS], cbc('{"a":1}', OWN), False),
        ([FIRST, ROTATED], f"k2:{gcm('{}', DATA_KEY)}", True),
        ([FIRST], f"k2:{gcm('{}', DATA_KEY)}", False),
        ([FIRST], "nonsense", False),
    ],
    # What is encrypted is another text each time, and a test's name must not be.
    ids=["own", "own, first", "other, first", "other", "first of others", "rotated", "not there", "nonsense"],
)
def test_credentials_that_n8n_could_not_decrypt_are_named(
    keys: list[dict[str, str]], data: str, readable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "encryption-key").write_text(OWN)
    stored = {"keys": keys, "credentials": [{"name": "Leads sheet", "data": data}]}

    def node(_: str, *argv: str, given: str, user: str) -> str:
        assert user == "n8n"
        done = subprocess.run(["node", *argv], input=given, capture_output=True, text=True, check=True)
        return done.stdout

    monkeypatch.setattr(n8n, "psql", lambda *_: stored)
    monkeypatch.setattr(n8n, "run", node)
    monkeypatch.setattr(n8n, "FOLDER", str(tmp_path))
    assert n8n.credentials() == {"stored": 1, "closed": [] if readable else ["Leads sheet"]}


def test_a_process_that_is_not_ready_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz/readiness" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(n8n, "_MAIN", server.server_port)
        monkeypatch.setattr(n8n, "_WORKERS", free_port() - 1)
        found = n8n.processes(1)
        server.shutdown()
    assert found["main"] == ""
    assert found["worker 1"].endswith("Connection refused")
