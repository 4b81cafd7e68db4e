"""POST /validate and GET /explain, against mail servers of known truth."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from tests.api.running import Running, until
from tests.validator.servers import Mx


def test_the_answer_has_the_fields_of_the_first_version_and_the_verdicts_name(client: httpx.Client) -> None:
    asked = {"emails": ["anna@good.test", "who@all.test"], "rate_limit": 0.0}
    answer = client.post("/validate", json=asked).json()
    assert answer["total"] == 2
    first, second = answer["results"]
    assert (first["email"], first["status"], first["valid"]) == ("anna@good.test", "Valid", True)
    assert (second["status"], second["verdict"]) == ("Catch-all (Risky)", "CATCH_ALL")
    assert second["valid"] is False
    assert second["mx_host"] == "mx.all.test"
    assert second["details"].endswith(".")


def test_each_address_gets_its_verdict_in_the_order_asked_and_a_repeat_is_asked_once(
    client: httpx.Client, far_side: dict[str, Mx]
) -> None:
    emails = [
        "bert@good.test",
        "no@good.test",
        "bert@good.test",
        "no address",
        "x@nowhere.test",
        "\u00fc@good.test",
        "\x00\r\n",
        "\ud800@good.test",
    ]
    before = len(far_side["good.test"].sessions)
    body = json.dumps({"emails": emails}).encode()
    answer = client.post("/validate", content=body, headers={"Content-Type": "application/json"})
    results = answer.json()["results"]
    assert [row["email"] for row in results] == emails
    assert [row["verdict"] for row in results] == [
        *("VALID", "MAILBOX_NOT_FOUND", "VALID", "INVALID_SYNTAX", "NO_MX", "UNKNOWN"),
        *("INVALID_SYNTAX", "INVALID_SYNTAX"),
    ]
    asked = [address for log in far_side["good.test"].sessions[before:] for address in log.recipients]
    assert asked.count("bert@good.test") == 1


def test_an_empty_list_is_an_empty_answer(client: httpx.Client) -> None:
    assert client.post("/validate", json={"emails": []}).json() == {"total": 0, "results": []}


def test_a_streamed_call_tells_each_verdict_as_it_is_known(client: httpx.Client) -> None:
    emails = ["anna@slow.test", "no address", "no address"]
    with client.stream("POST", "/validate?stream=1", json={"emails": emails}) as answer:
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        came = [(time.monotonic(), json.loads(line)) for line in answer.iter_lines()]
    assert [row["verdict"] for _, row in came] == ["INVALID_SYNTAX", "INVALID_SYNTAX", "VALID"]
    assert came[2][0] - came[1][0] > 0.3


def test_a_call_does_not_wait_for_a_greylist(client: httpx.Client) -> None:
    began = time.monotonic()
    (row,) = client.post("/validate", json={"emails": ["anna@grey.test"]}).json()["results"]
    assert row["verdict"] == "GREYLISTED"
    assert time.monotonic() - began < 5


def test_rate_limit_makes_the_pause_between_addresses_of_a_domain_longer(client: httpx.Client) -> None:
    began = time.monotonic()
    emails = ["anna@good.test", "bert@good.test", "c@good.test", "a@all.test"]
    answer = client.post("/validate", json={"emails": emails, "rate_limit": 0.4}).json()
    assert answer["total"] == 4
    assert 0.8 <= time.monotonic() - began < 4


def test_what_is_not_known_in_time_is_said_to_be_so_and_the_rest_is_not_lost(own: Running) -> None:
    own.limits["validate_seconds"] = 1.0
    own.start()
    with own.client() as client:
        emails = ["anna@good.test", *(f"u{n}@slow.test" for n in range(40))]
        results = client.post("/validate", json={"emails": emails}).json()["results"]
    assert results[0]["verdict"] == "VALID"
    assert (results[-1]["verdict"], results[-1]["reason"]) == ("UNKNOWN", "not_in_time")
    assert [row["email"] for row in results] == emails


@pytest.mark.parametrize("path", ["/validate", "/validate?stream=1"])
def test_when_the_client_leaves_the_work_stops_and_every_session_ends_in_quit(
    path: str, client: httpx.Client, far_side: dict[str, Mx], service: Running
) -> None:
    server = far_side["slow.test"]
    before = len(server.sessions)
    emails = [f"{path[-3:]}{n}@slow.test" for n in range(400)]
    with service.connect() as line:
        line.sendall(service.request("POST", path, {"emails": emails}))
        time.sleep(1.0)
    assert until(lambda: all(log.closed for log in server.sessions[before:]), 6)
    opened = server.sessions[before:]
    assert opened
    assert all(log.quit for log in opened)
    assert sum(len(log.recipients) for log in opened) < 100
    assert until(lambda: "outreach_validations_under_way 0.0" in client.get("/metrics").text)


def test_one_call_may_not_take_all_places(own: Running) -> None:
    own.limits["validations"] = 1
    own.start()
    with own.client() as client, own.client() as other:
        emails = [f"u{n}@slow.test" for n in range(30)]
        with client.stream("POST", "/validate?stream=1", json={"emails": emails}) as answer:
            lines = answer.iter_lines()  # held: httpx hangs up once nobody has its iterator any more
            assert next(lines)
            refused = other.post("/validate", json={"emails": ["anna@good.test"]})
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) >= 1
            assert other.get("/health").status_code == 200


def test_a_reply_is_explained_with_its_rule(client: httpx.Client) -> None:
    asked = {"reply": "550 5.1.1 User unknown", "mx": "mx.example.com", "stage": "rcpt"}
    found = client.get("/explain", params=asked).json()
    assert (found["verdict"], found["status"]) == ("MAILBOX_NOT_FOUND", "Mailbox not found")
    assert found["rule"]
    assert found["source"]
    at_mail = client.get("/explain", params={**asked, "stage": "mail"}).json()
    assert at_mail["verdict"] != "MAILBOX_NOT_FOUND"
