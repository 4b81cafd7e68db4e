"""Whatever is sent: the right status, an RFC 9457 problem, nothing lost, and the service lives on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.config import Config
from api.keys import Key, Keyring, Scope
from tests.api.running import Running, rest, until


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Hold that an answer is a problem of this kind."""
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["status"], found["code"]) == (status, status, code), found
    assert found["type"] == "about:blank"
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize("path", ["/validate", "/telegram/send", "/jobs"])
@pytest.mark.parametrize("key", ["", "wrong", "oek_" + "A" * 43])
def test_a_wrong_or_missing_key_is_refused_before_the_body_is_read(
    path: str, key: str, service: Running
) -> None:
    with service.client(key) as client:
        answer = client.post(path, content=b"{", headers={"Content-Type": "application/json"})
        problem(answer, 401, "unauthorized")
        assert "www-authenticate" in answer.headers


def test_a_key_is_taken_from_either_header_and_never_written_or_repeated(service: Running) -> None:
    with service.client("") as client:
        for headers in ({"X-API-Key": service.key}, {"Authorization": f"Bearer {service.key}"}):
            answer = client.post("/validate", json={service.key: 1, "emails": []}, headers=headers)
            assert answer.status_code == 422
            assert client.get("/explain", params={"reply": "250 ok"}, headers=headers).status_code == 200
        secret = "oek_mistyped-key-of-a-caller"
        refused = client.get("/metrics", headers={"X-API-Key": secret})
        assert secret not in refused.text
    for text in (secret, service.key):
        assert text not in service.log.read_text()
        assert text not in service.keys_file.read_text()
    assert hashlib.sha256(service.key.encode()).hexdigest() in service.keys_file.read_text()


def test_a_key_is_for_its_scopes_alone(own: Running) -> None:
    key = own.add_key("n8n", Scope.VALIDATE)
    own.start()
    with own.client(key) as client:
        assert client.post("/validate", json={"emails": []}).status_code == 200
        for method, path in (("POST", "/jobs"), ("POST", "/telegram/send"), ("GET", "/metrics")):
            found = problem(client.request(method, path), 403, "forbidden")
            assert "n8n" in found["detail"]


def test_a_key_used_too_often_is_told_when_to_come_back_and_others_are_not_held_up(own: Running) -> None:
    own.limits |= {"requests_per_second": 2.0, "burst": 3}
    other = own.add_key("other", Scope.VALIDATE)
    own.start()
    with own.client() as client, own.client(other) as calm:
        answers = [client.post("/validate", json={"emails": []}) for _ in range(5)]
        assert [answer.status_code for answer in answers[:3]] == [200] * 3
        problem(answers[-1], 429, "too_many_requests")
        assert answers[-1].headers["retry-after"] == "1"
        assert calm.post("/validate", json={"emails": []}).status_code == 200
        assert client.get("/health").status_code == 200
        assert until(lambda: client.post("/validate", json={"emails": []}).status_code == 200, 3)


@pytest.mark.parametrize("path", ["/validate", "/telegram/send"])
def test_a_body_of_50_megabytes_is_refused_and_costs_no_memory(
    path: str, service: Running, client: httpx.Client
) -> None:
    before = service.resident()
    problem(client.post(path, content=b" " * 50_000_000), 413, "body_too_large")
    problem(client.post(path, content=(b" " * 500_000 for _ in range(100))), 413, "body_too_large")
    assert service.resident() - before < 8_000_000


def test_a_body_of_50_megabytes_of_json_is_refused_for_a_job(service: Running, client: httpx.Client) -> None:
    before = service.resident()
    headers = {"Content-Type": "application/json"}
    problem(client.post("/jobs", content=b" " * 50_000_000, headers=headers), 413, "body_too_large")
    assert service.resident() - before < 24_000_000


@pytest.mark.parametrize(("path", "code"), [("/validate", "body_too_large"), ("/jobs", "too_many_addresses")])
def test_100_001_addresses_are_refused_and_told_where_they_are_welcome(
    path: str, code: str, client: httpx.Client
) -> None:
    emails = [f"someone{n}@good.test" for n in range(100_001)]
    found = problem(client.post(path, json={"emails": emails}), 413, code)
    assert "as a file to POST /jobs" in found["detail"]
    short = problem(client.post("/validate", json={"emails": ["a"] * 1_001}), 413, "too_many_addresses")
    assert "1,001" in short["detail"]


@pytest.mark.parametrize("path", ["/validate", "/telegram/send", "/jobs"])
@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"emails": [', b"[" * 100_000, b'{"emails": [1e999999', b"9" * 5_000]
)
def test_what_is_no_json_is_refused_with_its_place(path: str, body: bytes, client: httpx.Client) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    found = problem(answer, answer.status_code, answer.json()["code"])
    assert found["code"] in ("invalid_json", "bad_request", "invalid_request")


@pytest.mark.parametrize(
    ("path", "asked", "named"),
    [
        ("/validate", {"emails": [], "rate": 1}, "#/rate"),
        ("/validate", {"emails": "a@b.test"}, "#/emails"),
        ("/validate", {"emails": [1]}, "#/emails/0"),
        ("/validate", {"emails": [], "rate_limit": -1}, "#/rate_limit"),
        ("/validate", {"emails": [], "rate_limit": "2"}, "#/rate_limit"),
        ("/validate", {}, "#/emails"),
        ("/validate", [], "#"),
        ("/validate?steam=1", {"emails": []}, "query steam"),
        ("/validate?stream=yes", {"emails": []}, "query stream"),
        ("/telegram/send", {"message": "x", "chat": "1"}, "#/chat"),
        ("/telegram/send", {"message": ""}, "#/message"),
        ("/telegram/send", {"message": " \n"}, "#/message"),
        ("/telegram/send", {"message": "\ud800"}, "#/message"),
        ("/telegram/send", {"message": "x", "dedupe_key": "\ud800"}, "#/dedupe_key"),
        ("/jobs", {"emails": [], "owner": "x"}, "#/owner"),
    ],
)
def test_a_field_that_is_unknown_or_wrong_is_named(
    path: str, asked: Any, named: str, client: httpx.Client
) -> None:
    body = json.dumps(asked).encode()
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    found = problem(answer, 422, "invalid_request")
    assert [error["pointer"] for error in found["errors"]] == [named]
    assert named in found["detail"]


def test_unknown_paths_methods_and_types_are_problems_too(client: httpx.Client) -> None:
    problem(client.get("/nothing"), 404, "not_found")
    problem(client.get("/health/"), 404, "not_found")
    problem(client.get(f"/jobs/{'0' * 32}"), 404, "no_such_job")
    assert problem(client.delete("/validate"), 405, "method_not_allowed")
    for path, methods in (("/validate", "POST"), ("/jobs", "GET, POST"), (f"/jobs/{'0' * 32}", "GET")):
        assert client.delete(path).headers["allow"] == methods
    answer = client.post("/jobs", content=b"<a/>", headers={"Content-Type": "application/xml"})
    problem(answer, 415, "unsupported_type")


@pytest.mark.parametrize(
    "sent",
    [b"no http\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000, b"GET /\x00 HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_http_gets_a_problem_and_the_end(sent: bytes, service: Running) -> None:
    with service.connect() as line:
        line.sendall(sent)
        said = rest(line)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"


def test_the_callers_request_id_comes_back_and_is_in_the_log(service: Running, client: httpx.Client) -> None:
    answer = client.get("/nothing", headers={"X-Request-ID": "n8n-231.7"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "n8n-231.7"
    assert until(lambda: any(line.get("request_id") == "n8n-231.7" for line in service.lines()))
    odd = client.get("/health", headers={"X-Request-ID": 'x" y'})
    assert odd.headers["x-request-id"] != 'x" y'


def test_the_log_has_no_addresses_unless_asked(own: Running, service: Running, client: httpx.Client) -> None:
    email = "someone.private@good.test"
    client.post("/validate", json={"emails": [email]})
    client.get("/explain", params={"reply": f"550 <{email}> unknown"})
    client.post("/validate", json={"emails": [email], email: 1})
    assert until(lambda: len(service.lines()) > 3)
    assert "someone.private" not in service.log.read_text()
    own.settings["log_addresses"] = True
    own.start()
    with own.client() as asked:
        asked.post("/validate", json={"emails": [email]})
    found = [line for line in own.lines() if line.get("email") == email]
    assert [line["verdict"] for line in found] == ["MAILBOX_NOT_FOUND"]


def test_a_fault_of_ours_is_a_500_without_its_words_and_the_next_call_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def list(self, **_: Any) -> Any:
            raise RuntimeError("someone@good.test broke it")

    @asynccontextmanager
    async def broken(_config: Config, _validator: Any) -> AsyncIterator[Any]:
        yield Broken()

    async def both() -> tuple[httpx.Response, httpx.Response]:
        digest = hashlib.sha256(b"key").digest()
        ring = Keyring([Key("all", digest, frozenset(Scope))])
        app = create_app(Config(state=tmp_path), broken, keyring=ring, environ={})
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.get("/jobs", headers={"X-API-Key": "key"}), await client.get("/health")

    with caplog.at_level(logging.ERROR):
        fault, health = asyncio.run(both())
    found = problem(fault, 500, "internal_error")
    assert "someone" not in fault.text
    assert any(record.exc_info for record in caplog.records)
    assert [record.data["request_id"] for record in caplog.records] == [found["request_id"]]  # type: ignore[attr-defined]
    assert health.status_code == 200
