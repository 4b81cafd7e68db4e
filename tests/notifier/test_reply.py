"""What each answer of the Bot API means."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from notifier.reply import (
    BadMarkup,
    BadPhoto,
    Delivered,
    Migrated,
    Outcome,
    Refused,
    Retry,
    RetryAfter,
    Scope,
    classify,
)

NOW = 1_800_000_000.0
CHECK = "check the bot token and the base URL"


def no(status: int, text: str, **parameters: object) -> bytes:
    body: dict[str, object] = {"ok": False, "error_code": status, "description": text}
    return json.dumps({**body, "parameters": parameters} if parameters else body).encode()


def at(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (200, {}, b'{"ok":true,"result":{"message_id":7}}', Delivered(7)),
        # Cut off after the verdict: sending it again would repeat it.
        (200, {}, b'{"ok":true,"result":{"mess', Delivered(None)),
        (429, {"Retry-After": "9"}, no(429, "retry after 7", retry_after=5), RetryAfter(5)),
        (429, {"Retry-After": "9"}, no(429, "Too Many Requests"), RetryAfter(9)),
        (429, {"Retry-After": at(30)}, b"<html>busy</html>", RetryAfter(30)),
        (429, {"Retry-After": at(-30)}, b"", RetryAfter(0)),
        (429, {}, no(429, "Too Many Requests: retry after 12"), RetryAfter(12)),
        (400, {}, no(400, "Bad Request: upgraded", migrate_to_chat_id=-100500), Migrated("-100500")),
        (401, {}, no(401, "Unauthorized"), Refused(f"401 Unauthorized: {CHECK}", Scope.BOT)),
        (404, {}, b"", Refused(f"404: {CHECK}", Scope.BOT)),
        (302, {"Location": "/"}, b"", Refused("302: the base URL leads elsewhere", Scope.BOT)),
        (403, {}, no(403, "Forbidden: kicked"), Refused("403 Forbidden: kicked")),
        (400, {}, no(400, "Bad Request: chat not found"), Refused("400 Bad Request: chat not found")),
        (413, {}, b"<html>", Refused("413")),
    ],
)  # fmt: skip
def test_an_answer_means_one_thing(
    status: int, headers: dict[str, str], body: bytes, outcome: Outcome
) -> None:
    assert classify(status, headers, body, NOW) == outcome


@pytest.mark.parametrize(
    "text", ["Bad Request: can't parse entities: Unsupported start tag", "can't parse entities"]
)
def test_refused_markup_may_pass_as_plain_text(text: str) -> None:
    assert isinstance(classify(400, {}, no(400, text), NOW), BadMarkup)


@pytest.mark.parametrize("text", ["PHOTO_INVALID_DIMENSIONS", "Bad Request: IMAGE_PROCESS_FAILED"])
def test_a_refused_photo_may_pass_as_a_file(text: str) -> None:
    assert isinstance(classify(400, {}, no(400, text), NOW), BadPhoto)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 408])
def test_a_server_error_leaves_the_outcome_unknown(status: int) -> None:
    outcome = classify(status, {"Retry-After": "4"}, b"<html>Bad Gateway</html>", NOW)
    assert isinstance(outcome, Retry)
    assert (outcome.unknown, outcome.answered, outcome.seconds) == (True, True, 4)


@pytest.mark.parametrize("body", [b"<html>Log in to the hotel's network</html>", b"", b"[]", b'{"ok":false}'])
def test_an_answer_that_is_not_telegrams_is_no_delivery(body: bytes) -> None:
    assert isinstance(classify(200, {}, body, NOW), Retry)


@pytest.mark.parametrize("header", ["", "soon", "-3", "1e9"])
def test_a_429_that_names_no_time_is_retried_by_our_own_schedule(header: str) -> None:
    assert isinstance(classify(429, {"Retry-After": header}, b"", NOW), Retry)


def test_what_a_server_says_is_made_one_printable_line() -> None:
    outcome = classify(403, {}, no(403, "two\nlines \x1b[31mred" + "x" * 999), NOW)
    assert isinstance(outcome, Refused)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 320
