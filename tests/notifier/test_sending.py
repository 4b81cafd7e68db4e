"""The library against an emulated Telegram: said once, surely, at the pace that is allowed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from notifier import (
    Alert,
    Attachment,
    Clock,
    Credentials,
    Fate,
    Notifier,
    OutboxError,
    Plain,
    Receipt,
    Report,
    Server,
    Status,
    Token,
    TokenRefusedError,
    status,
)
from notifier.outbox import Outbox
from tests.notifier.conftest import SPEED, TEAM, Telegram

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def picture(width: int, height: int) -> Attachment:
    return Attachment("chart.png", PNG + width.to_bytes(4, "big") + height.to_bytes(4, "big"), photo=True)


def test_what_is_said_arrives(telegram: Telegram, notifier: Notifier) -> None:
    receipt = notifier.send(Alert("bounce rate", "6.2 %", "5 %", command="outreach pause n1"))
    assert receipt.fate is Fate.SENT
    (text,) = telegram.texts()
    assert text.startswith("⚠️ bounce rate\nvalue: 6.2 %\nlimit: 5 %\nrun: outreach pause n1\n")
    assert text.endswith(f"#{receipt.event}")


def test_a_long_text_arrives_whole_in_numbered_parts(telegram: Telegram, notifier: Notifier) -> None:
    words = [f"word{number}" for number in range(2000)]
    assert notifier.send(Plain(" ".join(words)), wait=60).fate is Fate.SENT
    texts = telegram.texts()
    assert [text.splitlines()[-1] for text in texts] == ["[1/5]", "[2/5]", "[3/5]", "[4/5]", "[5/5]"]
    assert [word for text in texts for word in text.split()[:-1]] == words


def test_a_report_brings_its_files(telegram: Telegram, notifier: Notifier) -> None:
    files = [picture(1200, 600), Attachment("books.csv", b"a,b\n")]
    assert notifier.send(Report("Day", "all is well"), files).fate is Fate.SENT
    first, second = telegram.messages()
    assert first["caption"].startswith("Day\n\nall is well")
    assert (first["photo"]["name"], second["document"]["name"]) == ("chart.png", "books.csv")


def test_a_chart_that_is_no_photo_arrives_as_a_file(telegram: Telegram, notifier: Notifier) -> None:
    assert notifier.send(Plain("wide"), [picture(20_000, 100)]).fate is Fate.SENT
    assert telegram.messages()[0]["document"]["name"] == "chart.png"


def test_three_failures_are_outlasted_while_the_caller_waits(telegram: Telegram, notifier: Notifier) -> None:
    telegram.fail("error", status=502, count=2)
    telegram.fail("reset", count=1)
    assert notifier.send(Plain("hello")).fate is Fate.SENT
    times = [attempt["at"] for attempt in telegram.attempts()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert [round(pause) >= least for pause, least in zip(pauses, (2, 4, 8), strict=True)] == [True] * 3


def test_the_fourth_failure_hands_the_message_to_the_queue(telegram: Telegram, notifier: Notifier) -> None:
    telegram.fail("error", status=503, count=4)
    receipt = notifier.send(Plain("hello"), wait=600)
    assert (receipt.fate, receipt.reason) == (Fate.QUEUED, "503 Service Unavailable")
    assert telegram.texts() == []
    assert notifier.flush(wait=60) == 0
    assert telegram.texts() == ["hello"]


@pytest.mark.parametrize("form", [0, 1, 2, 3], ids=["all", "body", "header", "words"])
def test_a_429_is_waited_out_in_each_of_its_forms(telegram: Telegram, notifier: Notifier, form: int) -> None:
    telegram.settings("telegram", flood_probability=1, flood_seconds=9, flood_form=form)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(notifier.send, Plain("hello"), wait=600)
        while not telegram.attempts():
            time.sleep(0.01)
        telegram.settings("telegram", flood_probability=0)
        assert sending.result().fate is Fate.SENT
    times = [attempt["at"] for attempt in telegram.attempts()]
    assert len(times) > 1
    assert all(later - earlier >= 9 for earlier, later in pairwise(times))
    assert telegram.pace()["early"] == 0


def test_a_wait_longer_than_the_callers_is_left_to_the_queue(telegram: Telegram, notifier: Notifier) -> None:
    telegram.settings("telegram", flood_probability=1, flood_seconds=3_600_000)
    # Nothing can happen before, so nobody waits for the hour and a half (of this machine) asked for.
    receipt = notifier.send(Plain("hello"), wait=100_000)
    assert (receipt.fate, receipt.reason) == (Fate.QUEUED, "429: Telegram asks to wait 3600000 s")


def test_a_group_that_became_a_supergroup_is_followed(telegram: Telegram, notifier: Notifier) -> None:
    telegram.know({"id": -77, "migrated_to": TEAM})
    assert notifier.send(Plain("one"), chat="-77").fate is Fate.SENT
    assert notifier.send(Plain("two"), chat="-77").fate is Fate.SENT
    assert [message["chat"] for message in telegram.messages()] == [TEAM, TEAM]
    assert len(telegram.attempts()) == 3, "the old group is asked once"


@pytest.mark.parametrize("fate", [Fate.SENT, Fate.QUEUED, Fate.COUNTED])
def test_what_is_delivered_queued_or_counted_is_told_and_need_not_be_said_again(fate: Fate) -> None:
    assert Receipt(fate, "a1b2c3").told


def test_a_chat_that_blocked_the_bot_is_not_asked_twice(telegram: Telegram, notifier: Notifier) -> None:
    telegram.know({"id": 6, "says": "403 Forbidden: bot was blocked by the user"})
    receipt = notifier.send(Plain("hello"), chat="6")
    assert (receipt.fate, receipt.reason) == (Fate.REFUSED, "403 Forbidden: bot was blocked by the user")
    assert not receipt.told
    assert notifier.flush(wait=5) == 0
    assert len(telegram.attempts()) == 1
    assert notifier.status().unsent[0].reason == receipt.reason


def test_a_refused_token_loses_nothing(telegram: Telegram, outbox: Path, notifier: Notifier) -> None:
    wrong = Notifier(
        Credentials(Token("1:wrong"), str(TEAM)), outbox, server=Server(telegram.url), clock=Clock(SPEED)
    )
    with pytest.raises(TokenRefusedError, match="401 Unauthorized"):
        wrong.send(Plain("hello"))
    assert notifier.flush(wait=60) == 0
    assert telegram.texts() == ["hello"]


def test_repeats_of_an_alert_arrive_as_one_message_and_a_tally(
    telegram: Telegram, notifier: Notifier
) -> None:
    alert = Alert("disk", "99 %", "90 %")
    fates = [notifier.send(alert, dedupe_key="disk/n1", window=160).fate for _ in range(17)]
    assert fates == [Fate.SENT] + [Fate.COUNTED] * 16
    assert len(telegram.texts()) == 1
    time.sleep(160 / SPEED)
    notifier.send(Plain("something else"), chat="5")
    notifier.flush(wait=60)
    assert [text for text in telegram.texts() if "x17 since" in text]
    assert len(telegram.texts()) == 3


def test_threads_and_processes_share_the_limits(telegram: Telegram, notifier: Notifier, outbox: Path) -> None:
    other = Notifier(telegram.credentials, outbox, server=Server(telegram.url, 60), clock=Clock(SPEED))
    telegram.know(*({"id": chat} for chat in range(100, 130)))
    with ThreadPoolExecutor(12) as pool:
        sends = [
            pool.submit(one.send, Plain(f"{chat}"), chat=str(chat), wait=120)
            for one in (notifier, other)
            for chat in (*range(100, 130), 5, 5, 5, TEAM, TEAM)
        ]
        assert {send.result().fate for send in sends} == {Fate.SENT}
    pace = telegram.pace()
    assert (pace["refused"], pace["early"], pace["most_a_second_in_a_chat"]) == (0, 0, 1)
    assert pace["most_a_second"] <= 30
    assert len(telegram.texts()) == 70


def test_serving_delivers_what_others_queue_and_ends_on_request(
    telegram: Telegram, notifier: Notifier
) -> None:
    server = threading.Thread(target=notifier.serve)
    server.start()
    other = Notifier(telegram.credentials, notifier._path, server=Server(telegram.url), clock=Clock(SPEED))
    assert other.send(Plain("from outside"), wait=0).fate is Fate.QUEUED
    deadline = time.monotonic() + 30
    while not telegram.texts() and time.monotonic() < deadline:
        time.sleep(0.05)
    notifier.stop()
    server.join(30)
    assert not server.is_alive()
    assert telegram.texts() == ["from outside"]
    assert notifier.status().senders == 0


def test_without_an_outbox_a_message_is_sent_all_the_same(telegram: Telegram, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notifier = Notifier(
        telegram.credentials,
        tmp_path / "file" / "state" / "outbox",
        server=Server(telegram.url, 60),
        clock=Clock(SPEED),
    )
    telegram.fail("error", status=502, count=2)
    receipt = notifier.send(Plain("word " * 1000))
    assert receipt.fate is Fate.SENT
    assert receipt.remark.endswith("file/state/outbox: Not a directory; sent without it")
    assert len(telegram.texts()) == 2


def test_neither_queued_nor_sent_is_said_in_one_line(telegram: Telegram, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notifier = Notifier(
        telegram.credentials,
        tmp_path / "file" / "state" / "outbox",
        server=Server("http://127.0.0.1:9"),
        clock=Clock(SPEED),
    )
    with pytest.raises(
        OutboxError, match="Not a directory; not sent without it either: no connection to 127"
    ):
        notifier.send(Plain("hello"))


def test_a_queue_that_cannot_be_written_for_a_while_is_waited_for(
    telegram: Telegram, notifier: Notifier, outbox: Path
) -> None:
    """Telegram has accepted the message; its record must not be lost because the outbox is busy."""
    notifier.send(Plain("first"))
    telegram.fail("hang", seconds=1, count=1, when="after")
    with closing(Outbox(outbox)) as held, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(notifier.send, Plain("second"), wait=600)
        deadline = time.monotonic() + 20
        while len(telegram.texts()) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        with held.database.transaction():
            time.sleep(0.5)
        assert sending.result().fate is Fate.SENT


def test_the_status_of_an_outbox_never_used_is_told_without_making_an_outbox(outbox: Path) -> None:
    assert status(outbox, Clock()) == Status()
    assert not outbox.exists()


def test_a_status_tells_what_waits(telegram: Telegram, notifier: Notifier) -> None:
    telegram.fail("error", status=500, count=None)
    notifier.send(Plain("hello"), wait=1)
    found = notifier.status()
    assert (found.waiting, found.sent, found.unknown, found.orphaned, found.senders) == (1, 0, 1, 0, 0)
    assert found.oldest_seconds > 0
    assert replace(found, oldest_seconds=0.0).as_dict()["waiting"] == 1
