"""One request and its outcome; and that the token shows in none."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from notifier.attempt import Claim
from notifier.bot import Bot, ConfigurationError, Server, Token
from notifier.clock import Clock
from notifier.messages import Method
from notifier.reply import Delivered, Migrated, Outcome, Refused, Retry, RetryAfter, Scope
from tests.notifier.conftest import TEAM, Telegram

SECRET = "1234567890:a-secret_that-must-not-show"
CLAIM = Claim(1, str(TEAM), Method.TEXT, "hello", html=True, silent=False)


def ask(url: str, claim: Claim = CLAIM, token: str = SECRET, seconds: float = 0.5) -> Outcome:
    return Bot(Token(token), Server(url, seconds), Clock()).send(claim)


def of(telegram: Telegram, claim: Claim = CLAIM, seconds: float = 3) -> Outcome:
    return ask(telegram.url, claim, telegram.env["TELEGRAM_BOT_TOKEN"], seconds)


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """A server that says the same to whoever comes, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_message_arrives(telegram: Telegram) -> None:
    assert of(telegram) == Delivered(1)
    assert telegram.texts() == ["hello"]


def test_a_picture_and_a_file_arrive_with_their_names(telegram: Telegram) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(8) + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
    photo = Claim(1, str(TEAM), Method.PHOTO, "<b>chart</b>", True, False, "график.png", png)
    document = Claim(2, "5", Method.DOCUMENT, "", True, True, "books.csv", b"a,b\r\n1,2\r\n")
    assert [of(telegram, photo), of(telegram, document)] == [Delivered(1), Delivered(2)]
    first, second = telegram.messages()
    assert first["photo"] == {"name": "график.png", "bytes": len(png)}
    assert first["caption"] == "chart"
    assert second["document"] == {"name": "books.csv", "bytes": 10}


def test_what_telegram_says_is_understood(telegram: Telegram) -> None:
    telegram.know(
        {"id": 6, "says": "403 Forbidden: bot was blocked by the user"}, {"id": -7, "migrated_to": -1007}
    )
    blocked = Claim(1, "6", Method.TEXT, "x", True, False)
    moved = Claim(1, "-7", Method.TEXT, "x", True, False)
    unknown = Claim(1, "8", Method.TEXT, "x", True, False)
    assert of(telegram, blocked) == Refused("403 Forbidden: bot was blocked by the user")
    assert of(telegram, moved) == Migrated("-1007")
    assert of(telegram, unknown) == Refused("400 Bad Request: chat not found")
    refused = ask(telegram.url)
    assert isinstance(refused, Refused)
    assert refused.scope is Scope.BOT


@pytest.mark.parametrize("form", [0, 1, 2, 3], ids=["all", "body", "header", "words"])
def test_a_429_is_understood_in_each_of_its_forms(telegram: Telegram, form: int) -> None:
    telegram.settings("telegram", flood_probability=1, flood_seconds=7, flood_form=form)
    assert of(telegram) == RetryAfter(7)


@pytest.mark.parametrize(
    ("fault", "unknown", "says"),
    [
        ({"kind": "error", "status": 502}, True, "502 Bad Gateway"),
        ({"kind": "error", "status": 503}, True, "503 Service Unavailable"),
        ({"kind": "reset"}, True, "the connection to 127.0.0.1:PORT broke"),
        ({"kind": "hang"}, True, "no answer from 127.0.0.1:PORT within 2 s"),
    ],
)
def test_a_failure_is_told_in_words_without_the_url(
    telegram: Telegram, fault: dict[str, object], unknown: bool, says: str
) -> None:
    telegram.fail(**fault)  # type: ignore[arg-type]  # fields of a fault
    port = telegram.url.rpartition(":")[2]
    outcome = of(telegram, seconds=2)
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.unknown) == (says.replace("PORT", port), unknown)


def test_an_answer_cut_after_the_verdict_is_a_delivery(telegram: Telegram) -> None:
    telegram.fail("malformed")
    assert of(telegram) == Delivered(None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9", "no connection to 127.0.0.1:9"),
        ("http://nowhere.invalid", "nowhere.invalid does not resolve"),
        ("https://127.0.0.1:9/deep", "no connection to 127.0.0.1:9"),
    ],
)
def test_what_never_left_may_be_sent_again_without_a_repeat(url: str, says: str) -> None:
    outcome = ask(url)
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.unknown) == (says, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 503 /bot%b/sendMessage\r\n\r\n" % SECRET.encode(),
        b'HTTP/1.1 403 X\r\n\r\n{"ok":false,"description":"no /bot%b/"}' % SECRET.encode(),
    ],
)  # fmt: skip
def test_whatever_answers_the_token_does_not_show(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with server(answer) as url:
        outcome = ask(url)
    assert isinstance(outcome, Retry | Refused)
    assert SECRET not in repr(outcome)
    assert caplog.records, "the HTTP client logs at this level"
    assert SECRET not in caplog.text


def test_a_tls_failure_names_its_cause_and_not_the_token() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        outcome = ask(url.replace("http:", "https:"))
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("TLS with 127.0.0.1")
    assert SECRET not in outcome.reason


def test_a_fault_of_ours_in_one_message_does_not_end_the_sender(caplog: pytest.LogCaptureFixture) -> None:
    broken = Claim(1, str(TEAM), Method.TEXT, "x", True, False, "f", object())  # type: ignore[arg-type]  # on purpose
    outcome = ask("http://127.0.0.1:9", broken)
    assert isinstance(outcome, Retry)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("text", ["", "abc", "987", ":abc", "987:", "987:a b", "987:abc\n"])
def test_what_is_no_token_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Token(text)
    assert not text.strip() or text.strip() not in str(caught.value)
    assert repr(Token(SECRET)) == "Token(<hidden>)"


@pytest.mark.parametrize("url", ["api.telegram.org", "ftp://api.telegram.org", "http://", "https:///bot"])
def test_a_base_url_that_cannot_be_right_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        Server(url)
