"""Jobs over HTTP: lists in, progress, verdicts out."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from api.keys import Scope
from tests.api.running import Running, until
from tests.api.test_refusals import problem
from tests.validator.servers import Mx

LIST = ["anna@good.test", "no@good.test", "anna@good.test", "no address"]
VERDICTS = {
    "anna@good.test": "VALID",
    "no@good.test": "MAILBOX_NOT_FOUND",
    "no address": "INVALID_SYNTAX",
}


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    """The job once it is over."""
    assert until(lambda: client.get(f"/jobs/{job}").json()["finished"] is not None, 20)
    found: dict[str, Any] = client.get(f"/jobs/{job}").json()
    return found


def rows(client: httpx.Client, job: str, **parameters: Any) -> list[dict[str, Any]]:
    """Its verdicts."""
    answer = client.get(f"/jobs/{job}/results", params=parameters)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def form(name: str, text: str, kind: str = "application/octet-stream") -> dict[str, Any]:
    return {"files": {"file": (name, text.encode(), kind)}}


def body(text: str, kind: str) -> dict[str, Any]:
    return {"content": text.encode(), "headers": {"Content-Type": kind}}


TXT = "".join(f"{email}\n" for email in LIST)
CSV = "name;E-Mail\n" + "".join(f"x;{email}\n" for email in LIST)
JSONL = "".join(json.dumps({"email": email}) + "\n" for email in LIST)


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"emails": LIST}},
        body(TXT, "text/plain"),
        body("\ufeff" + TXT.replace("\n", "\r\n"), "text/plain; charset=utf-8"),
        body(CSV, "text/csv"),
        body(JSONL, "application/x-ndjson"),
        body(CSV.replace("E-Mail", "where"), "text/csv") | {"params": {"column": "where"}},
        body(JSONL, "text/plain") | {"params": {"format": "jsonl"}},
        form("leads.csv", CSV),
        form("leads", CSV, "text/csv"),
        form("leads.txt", TXT),
        form("leads.jsonl", JSONL),
    ],
    ids=["json", "txt", "bom", "csv", "jsonl", "column", "format", "f-csv", "f-type", "f-txt", "f-jsonl"],
)
def test_a_list_in_any_form_becomes_a_job_with_a_verdict_for_each_row(
    sent: dict[str, Any], client: httpx.Client
) -> None:
    answer = client.post("/jobs", **sent)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert job["total"] == 4
    done = ended(client, job["id"])
    assert (done["state"], done["done"]) == ("DONE", 4)
    assert done["counts"] == {"VALID": 2, "MAILBOX_NOT_FOUND": 1, "INVALID_SYNTAX": 1}
    found = rows(client, job["id"])
    assert [row["seq"] for row in found] == [1, 2, 3, 4]
    assert {row["row"]: row["verdict"] for row in found} == {
        number: VERDICTS[email] for number, email in enumerate(LIST, 1)
    }
    assert {row["status"] for row in found} == {"Valid", "Mailbox not found", "Invalid syntax"}


def test_a_row_without_an_address_and_bytes_of_no_encoding_get_a_verdict_too(client: httpx.Client) -> None:
    sent = b'{"email": "anna@good.test"}\n{"name": "x"}\nnot json\n"\xff@good.test"\n'
    answer = client.post("/jobs", content=sent, headers={"Content-Type": "application/x-ndjson"})
    ended(client, answer.json()["id"])
    found = {row["row"]: row["verdict"] for row in rows(client, answer.json()["id"])}
    assert found == {1: "VALID", 2: "INVALID_SYNTAX", 3: "INVALID_SYNTAX", 4: found[4]}
    assert found[4] != "VALID"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (body("a,b\n1,2\n", "text/csv"), "no column called email"),
        (body("", "text/csv"), "empty"),
        (body("email\nx\n", "text/csv") | {"params": {"column": "mail"}}, "no column 'mail'"),
        ({"content": "x@y.z".encode("utf-16"), "headers": {"Content-Type": "text/plain"}}, "UTF-16"),
        ({"files": {"list": ("a.txt", b"x")}}, "part `file`"),
        ({"files": [("file", ("a.txt", b"x")), ("file", ("b.txt", b"x"))]}, ""),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_and_leaves_no_job(
    sent: dict[str, Any], says: str, client: httpx.Client
) -> None:
    before = client.get("/jobs").json()["jobs"]
    answer = client.post("/jobs", **sent)
    assert answer.status_code in (400, 422)
    assert says in problem(answer, answer.status_code, answer.json()["code"])["detail"]
    assert client.get("/jobs").json()["jobs"] == before


def test_verdicts_are_streamed_while_the_job_runs_and_can_be_gone_on_with(client: httpx.Client) -> None:
    emails = ["no address", *(f"u{n}@slow.test" for n in range(12))]
    job = client.post("/jobs", json={"emails": emails}).json()["id"]
    seen: list[dict[str, Any]] = []
    with client.stream("GET", f"/jobs/{job}/results", params={"follow": "1"}) as answer:
        for line in answer.iter_lines():
            seen.append(json.loads(line))
            if len(seen) == 3:
                assert client.get(f"/jobs/{job}").json()["state"] == "RUNNING"
                break
    ended(client, job)
    seen += rows(client, job, after=seen[-1]["seq"])
    assert [row["seq"] for row in seen] == list(range(1, 14))
    assert {row["row"] for row in seen} == set(range(1, 14))


def test_a_job_can_be_paused_gone_on_with_and_cancelled(
    client: httpx.Client, far_side: dict[str, Mx]
) -> None:
    emails = [f"p{n}@slow.test" for n in range(300)]
    job = client.post("/jobs", json={"emails": emails}).json()["id"]
    assert until(lambda: client.get(f"/jobs/{job}").json()["done"] > 0)
    assert client.post(f"/jobs/{job}/pause").json()["state"] == "PAUSED"
    assert client.post(f"/jobs/{job}/resume").json()["state"] in ("QUEUED", "RUNNING")
    assert client.post(f"/jobs/{job}/cancel").json()["state"] == "CANCELLED"
    problem(client.post(f"/jobs/{job}/resume"), 409, "job_over")
    assert client.post(f"/jobs/{job}/cancel").json()["state"] == "CANCELLED"
    known = client.get(f"/jobs/{job}").json()["done"]
    assert 0 < known < 300


def test_a_job_belongs_to_the_key_that_submitted_it(own: Running) -> None:
    key = own.add_key("other", Scope.JOBS)
    own.start()
    with own.client() as client, own.client(key) as other:
        job = client.post("/jobs", json={"emails": []}).json()["id"]
        assert [found["id"] for found in client.get("/jobs").json()["jobs"]] == [job]
        assert other.get("/jobs").json() == {"jobs": [], "next": None}
        for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("POST", "/pause")):
            problem(other.request(method, f"/jobs/{job}{path}"), 404, "no_such_job")


def test_jobs_are_listed_in_pages_the_latest_first(own: Running) -> None:
    own.start()
    with own.client() as client:
        made = [client.post("/jobs", json={"emails": []}).json()["id"] for _ in range(5)]
        found: list[str] = []
        path: str | None = "/jobs?limit=2"
        while path:
            page = client.get(path).json()
            found += [job["id"] for job in page["jobs"]]
            path = page["next"]
    assert found == made[::-1]


def test_a_repeated_call_with_an_idempotency_key_makes_one_job(own: Running) -> None:
    own.start()
    headers = {"Idempotency-Key": "run-231/leads"}
    with own.client() as client:
        first = client.post("/jobs", json={"emails": LIST}, headers=headers).json()
        second = client.post("/jobs", json={"emails": LIST}, headers=headers).json()
        as_file = client.post("/jobs", content=TXT, headers={**headers, "Content-Type": "text/plain"}).json()
        assert first["id"] == second["id"] == as_file["id"]
        other = client.post("/jobs", json={"emails": ["a"]}, headers=headers)
        problem(other, 409, "idempotency_key_reused")
        assert len(client.get("/jobs").json()["jobs"]) == 1


def test_a_list_longer_than_a_job_may_be_is_refused_whole(own: Running) -> None:
    own.limits["job_addresses"] = 5_000
    own.start()
    with own.client() as client:
        sent = "".join(f"u{n}@good.test\n" for n in range(5_001))
        problem(client.post("/jobs", **body(sent, "text/plain")), 413, "too_many_addresses")
        assert client.get("/jobs").json()["jobs"] == []


def test_a_client_that_leaves_in_the_middle_of_an_upload_leaves_nothing(service: Running) -> None:
    with service.client() as client:
        before = client.get("/jobs").json()["jobs"]
        with service.connect() as line:
            line.sendall(
                f"POST /jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: {service.key}\r\nContent-Type: text/plain\r\n"
                "Content-Length: 1000000\r\n\r\n".encode()
                + b"anna@good.test\n" * 1_000
            )
        assert until(lambda: any(entry.get("status") == 499 for entry in service.lines()))
        assert client.get("/jobs").json()["jobs"] == before


def test_a_full_disk_refuses_the_list_and_loses_nothing_that_was_accepted(own: Running) -> None:
    # 4 MB a file: room for the service and a small job, not for this list.
    own.prefix = ["prlimit", "--fsize=4000000", "--"]
    own.start()
    sent = "".join(f"someone.with.a.long.name.{n}@good.test\n" for n in range(150_000))
    with own.client() as client:
        kept = client.post("/jobs", json={"emails": LIST}).json()["id"]
        for sent_as in (body(sent, "text/plain"), form("leads.txt", sent)):
            answer = client.post("/jobs", **sent_as)
            problem(answer, 507, "insufficient_storage")
            assert int(answer.headers["retry-after"]) > 0
        assert ended(client, kept)["state"] == "DONE"
        assert len(rows(client, kept)) == 4
        again = client.post("/jobs", json={"emails": LIST}).json()["id"]
        assert ended(client, again)["state"] == "DONE"
        assert [job["id"] for job in client.get("/jobs").json()["jobs"]] == [again, kept]
