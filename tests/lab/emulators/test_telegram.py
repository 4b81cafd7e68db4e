"""The emulated Telegram says what Telegram says, and is stricter than it where figures are not published."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.emulators import Emulators

CHAT = -1001234567890


class Client:
    """A bot that takes no precautions."""

    def __init__(self, emulators: Emulators) -> None:
        self.emulators = emulators
        self._base = f"{emulators.urls['telegram']}/bot{emulators.env['TELEGRAM_BOT_TOKEN']}"

    def call(self, method: str, **fields: Any) -> requests.Response:
        return requests.post(f"{self._base}/{method}", json=fields, timeout=10)

    def say(self, text: str, chat: int = CHAT, **fields: Any) -> requests.Response:
        return self.call("sendMessage", chat_id=chat, text=text, **fields)

    def know(self, *chats: dict[str, Any]) -> None:
        self.emulators.control("POST", "telegram", "chats", {"chats": chats})

    def pace(self) -> dict[str, int]:
        found: dict[str, int] = self.emulators.control("POST", "telegram", "pace", {})
        return found


@pytest.fixture
def bot(emulators: Emulators) -> Client:
    client = Client(emulators)
    client.know(*({"id": number} for number in range(1, 60)))
    return client


def error(response: requests.Response) -> tuple[int, str]:
    body = response.json()
    assert body["ok"] is False
    assert body["error_code"] == response.status_code
    return response.status_code, body["description"]


def test_a_message_is_accepted_and_numbered(bot: Client) -> None:
    first, second = bot.say("one").json(), bot.say("two", chat=1).json()
    assert first["result"]["text"] == "one"
    assert first["result"]["chat"] == {"id": CHAT, "type": "supergroup"}
    assert second["result"]["message_id"] == first["result"]["message_id"] + 1
    assert second["result"]["chat"]["type"] == "private"


def test_the_bot_knows_itself(bot: Client) -> None:
    assert bot.call("getMe").json()["result"]["id"] == 1234567890


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("bot1234567890:wrong/sendMessage", (401, "Unauthorized")),
        ("bot{token}/sendFax", (404, "Not Found: method not found")),
        ("nothing", (404, "Not Found")),
    ],
)
def test_a_wrong_path_or_token_is_refused(bot: Client, path: str, answer: tuple[int, str]) -> None:
    url = f"{bot.emulators.urls['telegram']}/{path.format(token=bot.emulators.env['TELEGRAM_BOT_TOKEN'])}"
    assert error(requests.post(url, json={}, timeout=10)) == answer


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({}, "Bad Request: chat_id is empty"),
        ({"chat_id": 99999, "text": "x"}, "Bad Request: chat not found"),
        ({"chat_id": CHAT}, "Bad Request: message text is empty"),
        ({"chat_id": CHAT, "text": " \n "}, "Bad Request: message text is empty"),
        ({"chat_id": CHAT, "text": "x" * 4097}, "Bad Request: message is too long"),
        ({"chat_id": CHAT, "text": "😀" * 2049}, "Bad Request: message is too long"),
        ({"chat_id": CHAT, "text": "x" * 32769}, "Bad Request: text is too long"),
        ({"chat_id": CHAT, "text": "<b>x", "parse_mode": "HTML"},
         "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\""),
        ({"chat_id": CHAT, "text": "x", "parse_mode": "Creole"}, "Bad Request: unsupported parse_mode"),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_is_refused(bot: Client, fields: dict[str, Any], description: str) -> None:
    assert error(bot.call("sendMessage", **fields)) == (400, description)


def test_length_counts_after_the_tags_are_taken_away(bot: Client) -> None:
    text = "<b>" + "&amp;" * 4096 + "</b>"
    assert bot.say(text, parse_mode="HTML").json()["result"]["text"] == "&" * 4096


def test_a_chat_may_have_moved_or_shut_the_door(bot: Client) -> None:
    bot.know(
        {"id": -5, "migrated_to": CHAT}, {"id": 70, "says": "403 Forbidden: bot was blocked by the user"}
    )
    moved = bot.say("x", chat=-5)
    assert error(moved) == (400, "Bad Request: group chat was upgraded to a supergroup chat")
    assert moved.json()["parameters"] == {"migrate_to_chat_id": CHAT}
    assert error(bot.say("x", chat=70)) == (403, "Forbidden: bot was blocked by the user")


def test_a_second_message_within_a_second_is_too_many_for_a_chat(bot: Client) -> None:
    assert bot.say("one", chat=1).ok
    second = bot.say("two", chat=1)
    assert error(second) == (429, "Too Many Requests: retry after 1")
    assert second.json()["parameters"] == {"retry_after": 1}
    assert second.headers["Retry-After"] == "1"
    assert bot.say("three", chat=2).ok, "another chat is not concerned"
    bot.emulators.advance(1)
    assert bot.say("two", chat=1).ok


def test_a_group_takes_twenty_a_minute(bot: Client) -> None:
    for number in range(20):
        assert bot.say(str(number)).ok
        bot.emulators.advance(1)
    assert bot.say("20").status_code == 429
    bot.emulators.advance(60)
    assert bot.say("20").ok
    assert bot.pace()["most_a_minute_in_a_group"] == 20


def test_the_bot_makes_thirty_requests_a_second(bot: Client) -> None:
    bot.emulators.limit("telegram", 30, 1000)
    assert [bot.say("x", chat=chat).status_code for chat in range(1, 33)] == [200] * 30 + [429] * 2
    assert bot.pace()["refused"] == 2


def test_who_comes_before_the_time_is_noticed(bot: Client) -> None:
    bot.emulators.settings("telegram", flood_probability=1, flood_seconds=40)
    assert error(bot.say("one"))[1] == "Too Many Requests: retry after 40"
    bot.emulators.settings("telegram", flood_probability=0)
    bot.emulators.advance(30)
    assert error(bot.say("one"))[1] == "Too Many Requests: retry after 10"
    assert bot.pace()["early"] == 1
    bot.emulators.advance(10)
    assert bot.say("one").ok


@pytest.mark.parametrize(
    ("form", "body", "header", "words"),
    [(0, True, True, True), (1, True, False, False), (2, False, True, False), (3, False, False, True)],
)
def test_a_429_tells_its_seconds_in_one_place_alone_if_asked(
    bot: Client, form: int, body: bool, header: bool, words: bool
) -> None:
    bot.emulators.settings("telegram", flood_probability=1, flood_seconds=8, flood_form=form)
    response = bot.say("x")
    found = ("parameters" in response.json(), "Retry-After" in response.headers, "8" in error(response)[1])
    assert found == (body, header, words)


def test_files_come_as_multipart_and_pictures_are_looked_at(bot: Client) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(8)
    good, long = png + bytes([0, 0, 1, 0] * 2), png + bytes([0, 0, 1, 0, 0, 0, 0, 1])
    base = f"{bot.emulators.urls['telegram']}/bot{bot.emulators.env['TELEGRAM_BOT_TOKEN']}"
    for name, data, answer in (
        ("sendPhoto", good, None),
        ("sendPhoto", long, (400, "Bad Request: PHOTO_INVALID_DIMENSIONS")),
        ("sendPhoto", b"text", (400, "Bad Request: IMAGE_PROCESS_FAILED")),
        ("sendDocument", bytes(range(256)) * 99 + b"\r\n--\r\n", None),
        ("sendDocument", b"", (400, "Bad Request: there is no document in the request")),
    ):
        bot.emulators.advance(1)
        field = {"sendPhoto": "photo", "sendDocument": "document"}[name]
        form = {"chat_id": CHAT, "caption": "<i>c</i>", "parse_mode": "HTML"}
        response = requests.post(f"{base}/{name}", data=form, files={field: ("имя.bin", data)}, timeout=10)
        if answer is None:
            result = response.json()["result"]
            assert (result["caption"], result[field]) == ("c", {"name": "имя.bin", "bytes": len(data)})
        else:
            assert error(response) == answer


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[1]"),
        ("application/json", b'{"chat_id": {"a": [1]}, "text": 5, "parse_mode": null}'),
        ("application/json", b'{"chat_id": "-1001234567890", "text": 5, "parse_mode": 7}'),
        ("application/x-www-form-urlencoded", b"chat_id=%ff&text=%00"),
        ("multipart/form-data", b"no boundary at all"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n",
        ),
        ("text/plain", b"\xff\xfe"),
    ],
)
def test_no_body_makes_a_server_error(bot: Client, kind: str, body: bytes) -> None:
    base = f"{bot.emulators.urls['telegram']}/bot{bot.emulators.env['TELEGRAM_BOT_TOKEN']}"
    for method in ("sendMessage", "sendPhoto"):
        response = requests.post(f"{base}/{method}", data=body, headers={"Content-Type": kind}, timeout=10)
        assert response.status_code == 400, response.text


def test_a_picture_cut_in_its_head_is_refused(bot: Client) -> None:
    base = f"{bot.emulators.urls['telegram']}/bot{bot.emulators.env['TELEGRAM_BOT_TOKEN']}"
    files = {"photo": ("a.png", b"\x89PNG\r\n\x1a\n")}
    response = requests.post(f"{base}/sendPhoto", data={"chat_id": CHAT}, files=files, timeout=10)
    assert error(response)[0] == 400


def test_time_can_be_hurried(tmp_path_factory: pytest.TempPathFactory) -> None:
    hurried = Emulators(tmp_path_factory.mktemp("hurried"), speed=100)
    hurried.start()
    try:
        bot = Client(hurried)
        bot.know({"id": 1})
        assert bot.say("one", chat=1).ok
        time.sleep(0.02)
        assert bot.say("two", chat=1).ok
    finally:
        hurried.kill()
