"""Every message is delivered, once, in order, within the limits: here small and hurried.

benchmarks/notifier.py is whole. Where Telegram has accepted a message and nobody can know it, it is sent
again: there and nowhere else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from notifier import Clock, Fate, Notifier, Plain, Server
from notifier.clock import SPEED as HURRY
from notifier.outbox import Outbox
from tests.notifier.conftest import SPEED, Telegram
from tests.notifier.proof import FAULTS, Plan, Proof


def test_all_arrive_once_in_order_while_telegram_fails_and_senders_are_killed(tmp_path: Path) -> None:
    plan = Plan(messages=600, private=40, groups=20, kills=5, speed=15, timeout=75)
    books = Proof(plan, tmp_path).run()
    assert books.kills == plan.kills
    assert books.lost == []
    assert set(books.duplicates) <= set(books.excused), "a repeat only where a sender was killed under way"
    assert books.late == []
    assert books.unordered == []
    assert (books.pace["refused"], books.pace["early"]) == (0, 0)
    assert books.pace["most_a_second"] <= 30
    assert books.pace["most_a_second_in_a_chat"] == 1
    assert books.pace["most_a_minute_in_a_group"] <= 20
    assert set(books.suffered) == set(FAULTS)
    assert sum(books.suffered.values()) / books.requests > 0.2


def test_a_kill_between_acceptance_and_record_repeats_the_message_and_counts_it(
    telegram: Telegram, outbox: Path
) -> None:
    telegram.fail("hang", count=1, when="after")
    sender = _start(telegram, outbox, "send", "hello")
    while not telegram.texts():
        time.sleep(0.02)
    sender.kill()
    sender.wait()
    assert _start(telegram, outbox, "flush").wait(60) == 0
    assert telegram.texts() == ["hello", "hello"]
    with closing(Outbox(outbox)) as opened:
        status = opened.status(Clock(SPEED).now())
    assert (status.sent, status.unknown, status.orphaned, status.senders) == (1, 1, 1, 0)


def test_a_kill_before_acceptance_repeats_nothing(telegram: Telegram, outbox: Path) -> None:
    telegram.fail("hang", count=1)
    sender = _start(telegram, outbox, "send", "hello")
    while not telegram.attempts():
        time.sleep(0.02)
    sender.kill()
    sender.wait()
    assert _start(telegram, outbox, "flush").wait(60) == 0
    assert telegram.texts() == ["hello"]


def test_a_sender_that_only_stands_still_is_not_robbed_of_its_message(
    telegram: Telegram, outbox: Path
) -> None:
    telegram.fail("hang", count=1, when="after", seconds=4)
    sender = _start(telegram, outbox, "send", "hello", "--wait", "10m")
    while not telegram.texts():
        time.sleep(0.02)
    sender.send_signal(signal.SIGSTOP)
    assert _start(telegram, outbox, "flush", "--wait", "20s").wait(60) == 1, "it is still under way"
    assert telegram.texts() == ["hello"]
    sender.send_signal(signal.SIGCONT)
    sender.kill()
    sender.wait()


def test_each_silence_after_acceptance_repeats_the_message_and_is_counted(
    telegram: Telegram, outbox: Path
) -> None:
    """No idempotency key exists, so surely comes before once; the count says how often."""
    for kind in ("reset", "error"):
        telegram.fail(kind, count=1, when="after")
    server = Server(telegram.url, 60)
    notifier = Notifier(telegram.credentials, outbox, server=server, clock=Clock(SPEED))
    assert notifier.send(Plain("hello"), wait=60).fate is Fate.SENT
    assert telegram.texts() == ["hello"] * 3
    assert notifier.status().unknown == 2


def test_a_message_that_send_answered_for_survives_the_kill_of_everything(
    telegram: Telegram, outbox: Path
) -> None:
    telegram.fail("hang", count=None)
    for number in range(5):
        assert _start(telegram, outbox, "send", str(number), "--wait", "0").wait(60) == 0
    sender = _start(telegram, outbox, "serve")
    while not telegram.attempts():
        time.sleep(0.02)
    sender.kill()
    sender.wait()
    telegram.kill()
    telegram.start()
    telegram.clear_faults("telegram")
    assert _start(telegram, outbox, "flush", "--wait", "10m").wait(60) == 0
    assert telegram.texts() == ["0", "1", "2", "3", "4"]


def _start(telegram: Telegram, outbox: Path, *words: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, **telegram.env, HURRY: str(SPEED), "NOTIFIER_TIMEOUT": "100"}
    command = [sys.executable, "-m", "notifier", *words, "--outbox", str(outbox)]
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
