"""POST /telegram/send, against the emulated Telegram."""

from __future__ import annotations

import signal

import httpx

from tests.api.running import Running, running
from tests.api.test_refusals import problem
from tests.notifier.conftest import SPEED, TEAM, Telegram


def test_a_message_is_delivered_and_its_fate_told(client: httpx.Client, telegram: Telegram) -> None:
    answer = client.post("/telegram/send", json={"message": "Email validation complete!"})
    assert answer.status_code == 200
    assert answer.json()["fate"] == "sent"
    assert len(answer.json()["event"]) == 6
    assert telegram.texts() == ["Email validation complete!"]


def test_a_text_is_shown_as_it_stands_unless_it_is_said_to_be_html(
    client: httpx.Client, telegram: Telegram
) -> None:
    client.post("/telegram/send", json={"message": "1 < 2 & <b>3</b>"})
    client.post("/telegram/send", json={"message": "<b>3</b>", "html": True})
    assert telegram.texts() == ["1 < 2 & <b>3</b>", "3"]


def test_a_message_that_is_not_waited_for_is_accepted_and_kept(
    client: httpx.Client, telegram: Telegram
) -> None:
    answer = client.post("/telegram/send", json={"message": "later", "wait": 0})
    assert (answer.status_code, answer.json()["fate"]) == (202, "queued")
    assert telegram.texts() == []
    assert "outreach_outbox_waiting 1.0" in client.get("/metrics").text
    client.post("/telegram/send", json={"message": "now"})
    assert telegram.texts() == ["later", "now"]


def test_repeats_of_an_alert_are_counted(client: httpx.Client, telegram: Telegram) -> None:
    asked = {"message": "bounce rate 6.2 %", "dedupe_key": "bounce/n1"}
    fates = [client.post("/telegram/send", json=asked).json()["fate"] for _ in range(3)]
    assert fates == ["sent", "counted", "counted"]
    assert len(telegram.texts()) == 1


def test_a_repeated_call_with_an_idempotency_key_sends_one_message_even_after_a_restart(
    own: Running, telegram: Telegram
) -> None:
    own.environ |= telegram.env | {"NOTIFIER_TEST_SPEED": str(SPEED)}
    asked, headers = {"message": "run 231 is done"}, {"Idempotency-Key": "run-231/notify"}
    own.start()
    with own.client() as client:
        first = client.post("/telegram/send", json=asked, headers=headers)
        second = client.post("/telegram/send", json=asked, headers=headers)
        other = client.post("/telegram/send", json={"message": "another"}, headers=headers)
    own.stop(signal.SIGKILL)
    own.start()
    with own.client() as client:
        third = client.post("/telegram/send", json=asked, headers=headers)
    assert first.status_code == 200
    assert first.json() == second.json() == third.json()
    problem(other, 409, "idempotency_key_reused")
    assert telegram.texts() == ["run 231 is done"]


def test_calls_with_one_idempotency_key_at_the_same_time_send_one_message(
    service: Running, telegram: Telegram
) -> None:
    request = service.request("POST", "/telegram/send", {"message": "at once"})
    request = request.replace(b"Host: x", b"Host: x\r\nIdempotency-Key: at-once\r\nConnection: close")
    lines = [service.connect() for _ in range(5)]
    for line in lines:
        line.sendall(request)
    bodies = set()
    for line in lines:
        said = b""
        while chunk := line.recv(65_536):
            said += chunk
        line.close()
        bodies.add(said.rpartition(b"\r\n\r\n")[2])
    assert len(bodies) == 1
    assert telegram.texts() == ["at once"]


def test_what_telegram_refuses_is_told_with_its_reason(client: httpx.Client, telegram: Telegram) -> None:
    telegram.know({"id": TEAM, "says": "403 Forbidden: bot was kicked from the group chat"})
    found = problem(client.post("/telegram/send", json={"message": "x"}), 502, "telegram_refused")
    assert "kicked" in found["detail"]


def test_a_bot_that_is_refused_keeps_the_message_and_a_repeat_adds_none(
    own: Running, telegram: Telegram
) -> None:
    own.environ |= telegram.env | {"NOTIFIER_TEST_SPEED": str(SPEED), "TELEGRAM_BOT_TOKEN": "1:wrong"}
    with running(own), own.client() as client:
        for _ in range(2):
            headers = {"Idempotency-Key": "one"}
            answer = client.post("/telegram/send", json={"message": "x"}, headers=headers)
            found = problem(answer, 503, "token_refused")
            assert "stays queued" in found["detail"]
        assert "outreach_outbox_waiting 1.0" in client.get("/metrics").text
    assert "1:wrong" not in own.log.read_text()


def test_a_service_without_telegram_says_what_is_missing(own: Running) -> None:
    with running(own), own.client() as client:
        found = problem(client.post("/telegram/send", json={"message": "x"}), 503, "not_configured")
        assert "TELEGRAM_BOT_TOKEN" in found["detail"]
        assert client.get("/metrics").status_code == 200
