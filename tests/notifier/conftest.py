"""Telegram, emulated and hurried, for the tests of what talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier import Clock, Credentials, Notifier, Server, Token
from tests.emulators import Emulators
from tests.notifier.post import Post

SPEED = 20.0
TEAM = -1001234567890


class Telegram(Emulators):
    """The emulators, of which only Telegram is asked."""

    @property
    def url(self) -> str:
        """The base URL."""
        return self.urls["telegram"]

    @property
    def credentials(self) -> Credentials:
        """The bot's and the team's."""
        return Credentials(Token(self.env["TELEGRAM_BOT_TOKEN"]), self.env["TELEGRAM_CHAT_ID"])

    def know(self, *chats: dict[str, Any]) -> None:
        """Make chats known (see lab.emulators.telegram.Telegram.control)."""
        self.control("POST", "telegram", "chats", {"chats": chats})

    def fail(self, kind: str, **fault: Any) -> None:
        """Order a fault of sending."""
        self.fault("telegram", kind=kind, path="/send", **fault)

    def messages(self) -> list[dict[str, Any]]:
        """What was accepted, in order."""
        return self.state("telegram").get("message", [])

    def texts(self) -> list[str]:
        """The texts and captions accepted."""
        return [message.get("text", message.get("caption", "")) for message in self.messages()]

    def pace(self) -> dict[str, int]:
        """What the limits saw."""
        found: dict[str, int] = self.control("POST", "telegram", "pace", {})
        return found

    def attempts(self) -> list[dict[str, Any]]:
        """Every request to send."""
        return self.requests("telegram", path="/send")


@pytest.fixture(scope="session")
def telegram_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telegram]:
    """One process for all tests, because each start costs a second."""
    running = Telegram(tmp_path_factory.mktemp("telegram"), SPEED)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def telegram(telegram_process: Telegram) -> Telegram:
    """A Telegram that knows nothing but two chats: the team's, and a private one."""
    telegram_process.reset()
    telegram_process.know({"id": 5})
    return telegram_process


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Where the queue will be."""
    return tmp_path / "state" / "outbox.sqlite3"


@pytest.fixture
def notifier(telegram: Telegram, outbox: Path) -> Notifier:
    """A notifier of the emulated team."""
    # Three seconds of this machine until an answer, so that a busy one is not mistaken for a silent one.
    server = Server(telegram.url, seconds=3 * SPEED)
    return Notifier(telegram.credentials, outbox, server=server, clock=Clock(SPEED))


@pytest.fixture
def post(outbox: Path) -> Iterator[Post]:
    """An outbox and one sender's hand in it."""
    found = Post(outbox)
    yield found
    found.outbox.close()
