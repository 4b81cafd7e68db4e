"""The proof of delivery: many messages, a Telegram that fails, killed senders; then the books are compared.

The emulator's book says what Telegram accepted and when, the outbox's what the senders know of it. Used by
test_delivery_proof.py, small and hurried, and by benchmarks/notifier.py, whole.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from notifier.clock import SPEED, Clock
from notifier.markup import escape
from notifier.messages import Method
from notifier.outbox import Envelope, Outbox
from notifier.render import Letter, Part
from tests.emulators import Emulators

FAULTS: Mapping[str, float] = {"429": 0.10, "502": 0.06, "503": 0.06, "reset": 0.05, "hang": 0.03}
"""The shares of requests that suffer each: 30 % in all. Each strikes before Telegram accepts the message."""

_PATH = "/send"


@dataclass(frozen=True)
class Plan:
    """How large the proof is.

    Args:
        messages: how many.
        private, groups: chats of each kind; a private one gets three times as many messages as a group.
        kills: how often a sender is killed with -9, spread evenly over the work.
        senders: processes that send at once.
        speed: seconds that pass in one.
        timeout: seconds (of those that pass) until a sender gives up on an answer.
    """

    messages: int
    private: int
    groups: int
    kills: int
    senders: int = 2
    speed: float = 1.0
    timeout: float = 15.0
    seed: int = 1

    def chats(self) -> list[int]:
        """The chat of each message, in the order they are queued."""
        chats = [*range(1, self.private + 1)] * 3 + [-1000 - number for number in range(self.groups)]
        return [chats[number % len(chats)] for number in range(self.messages)]


@dataclass
class Books:
    """What came of it.

    Args:
        lost: messages that Telegram never accepted.
        duplicates: by message, how often it was accepted more than once.
        excused: messages whose sender was killed while the request was under way; each may be there twice.
        unordered: chats in which a message came before an earlier one.
        late: duplicates whose first copy was not accepted just before a kill.
        pace: what the emulator's limits saw.
        suffered: requests by what they suffered.
    """

    plan: Plan
    seconds: float
    requests: int
    suffered: Mapping[str, int]
    pace: Mapping[str, int]
    kills: int
    lost: Sequence[str] = ()
    duplicates: Mapping[str, int] = field(default_factory=dict)
    excused: Sequence[str] = ()
    unordered: Sequence[int] = ()
    late: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Proof:
    """One run, in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._outbox = directory / "outbox.sqlite3"
        self._log = directory / "senders.log"
        self._clock = Clock(plan.speed)
        self._random = random.Random(plan.seed)
        self.telegram = Emulators(directory / "emulators", plan.speed)
        self._senders: list[subprocess.Popen[bytes]] = []
        self._killed_at: list[float] = []
        self._texts: dict[int, str] = {}

    def run(self) -> Books:
        """Queue, send, kill, compare."""
        self.telegram.start()
        try:
            self._order_faults()
            self._queue()
            began = time.monotonic()
            self._senders = [self._sender() for _ in range(self._plan.senders)]
            self._kill_while_sending()
            return self._compare((time.monotonic() - began) * self._plan.speed)
        finally:
            for sender in self._senders:
                sender.terminate()
                sender.wait(60)
            self.telegram.kill()

    def _order_faults(self) -> None:
        chats = [{"id": chat} for chat in sorted(set(self._plan.chats()))]
        self.telegram.control("POST", "telegram", "chats", {"chats": chats})
        self.telegram.settings(
            "telegram",
            flood_probability=_share("429"),
            flood_seconds=3,
            flood_form=4,
            flood_seed=self._plan.seed,
        )
        kinds: Mapping[str, dict[str, Any]] = {
            "502": {"kind": "error", "status": 502},
            "503": {"kind": "error", "status": 503},
            "reset": {"kind": "reset"},
            "hang": {"kind": "hang"},
        }
        for number, (name, fault) in enumerate(kinds.items()):
            seed = self._plan.seed * 10 + number
            self.telegram.fault(
                "telegram", **fault, path=_PATH, count=None, seed=seed, probability=_share(name)
            )

    def _queue(self) -> None:
        counts: Counter[int] = Counter()
        with closing(Outbox(self._outbox, durable=False)) as outbox:
            for chat in self._plan.chats():
                counts[chat] += 1
                text = f"{chat}/{counts[chat]}"
                letter = Letter((Part(Method.TEXT, escape(text)),))
                ids = outbox.put(Envelope(str(chat), "proof", lifetime=7 * 86400), letter, self._clock.now())
                assert isinstance(ids, list)
                self._texts[ids[0]] = text

    def _sender(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, **self.telegram.env, SPEED: str(self._plan.speed)}
        env["NOTIFIER_TIMEOUT"] = str(self._plan.timeout)
        command = [
            sys.executable,
            "-m",
            "notifier",
            "serve",
            "--outbox",
            str(self._outbox),
            "--workers",
            "16",
        ]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=env, stderr=log, stdout=log)

    def _kill_while_sending(self) -> None:
        waiting = total = self._plan.messages
        with closing(Outbox(self._outbox, durable=False)) as outbox:
            while waiting:
                time.sleep(0.02)
                waiting = outbox.waiting()
                due = (total - waiting) * (self._plan.kills + 1) // total
                if waiting and due > len(self._killed_at):
                    self._kill_one()
                for sender in self._senders:
                    assert sender.poll() is None, self._log.read_text()[-2000:]

    def _kill_one(self) -> None:
        index = self._random.randrange(len(self._senders))
        time.sleep(self._random.random() * 0.05)
        self._senders[index].send_signal(signal.SIGKILL)
        self._killed_at.append(self._clock.now())
        self._senders[index].wait()
        self._senders[index] = self._sender()

    def _compare(self, seconds: float) -> Books:
        log = self.telegram.requests("telegram", path=_PATH)
        # A 429 without an ordered fault is Telegram's own: flood control.
        suffered = Counter(_suffering(entry) for entry in log)
        books = Books(
            plan=self._plan,
            seconds=seconds,
            requests=len(log),
            suffered={name: number for name, number in suffered.items() if name},
            pace=self.telegram.control("POST", "telegram", "pace", {}),
            kills=len(self._killed_at),
        )
        accepted: dict[str, list[float]] = defaultdict(list)
        order: dict[int, list[int]] = defaultdict(list)
        for message in self.telegram.state("telegram")["message"]:
            accepted[message["text"]].append(message["at"])
            order[int(message["chat"])].append(int(message["text"].rpartition("/")[2]))
        books.lost = [text for text in self._texts.values() if text not in accepted]
        books.duplicates = {text: len(times) for text, times in accepted.items() if len(times) > 1}
        books.unordered = [chat for chat, numbers in order.items() if numbers != sorted(numbers)]
        books.late = [text for text in books.duplicates if not self._near_a_kill(accepted[text][0])]
        books.excused = self._excused()
        return books

    def _near_a_kill(self, accepted_at: float) -> bool:
        """Both clocks run from the same beginning; a killed sender's request is handled within a moment."""
        return any(-self._plan.timeout < at - accepted_at < self._plan.timeout for at in self._killed_at)

    def _excused(self) -> list[str]:
        with closing(sqlite3.connect(self._outbox)) as connection:
            rows = connection.execute("SELECT id FROM message WHERE orphaned > 0").fetchall()
        return [self._texts[number] for (number,) in rows]


def _share(name: str) -> float:
    """The chance to draw for a fault: they are asked one after another, and each is to strike its share."""
    before = 0.0
    for other in ("502", "503", "reset", "hang", "429"):
        if other == name:
            return FAULTS[name] / (1 - before)
        before += FAULTS[other]
    raise KeyError(name)


def _suffering(entry: Mapping[str, Any]) -> str:
    if entry["fault"] is not None:
        return str(entry["status"] or entry["fault"])
    # A sender that is killed amid its request gets no answer, by no fault of Telegram's.
    return "" if entry["status"] in (200, None) else str(entry["status"])
