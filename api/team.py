"""The notifier behind the service: it blocks, so it has threads of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from notifier import (
    ConfigurationError,
    Notifier,
    OutboxError,
    Plain,
    Receipt,
    Server,
    Status,
    credentials,
    status,
)
from notifier.bot import API
from notifier.options import clock
from notifier.render import Templates

THREADS = 8
T = TypeVar("T")


class Team:
    """Tells the team.

    Args:
        notifier: None if it is not configured.
        missing: What is missing then.
        outbox: The queue's file.
    """

    def __init__(self, notifier: Notifier | None, missing: str, outbox: Path) -> None:
        self.notifier = notifier
        self.missing = missing
        self.outbox = outbox
        self._threads = ThreadPoolExecutor(THREADS, "notifier")
        self._waiting = 0

    async def send(self, text: str, *, html: bool, wait: float, **delivery: Any) -> Receipt:
        """See `Notifier.send`. When every thread waits for Telegram, a message is only queued.

        Raises:
            MessageError, OutboxError, TokenRefusedError: see there.
        """
        notifier = self.notifier
        if notifier is None:
            raise ConfigurationError(self.missing)
        patience = wait if self._waiting < THREADS - 1 else 0.0
        self._waiting += 1
        try:
            return await self._in_thread(lambda: notifier.send(Plain(text, html), wait=patience, **delivery))
        finally:
            self._waiting -= 1

    async def status(self) -> Status | None:
        """The outbox at a glance; None if it cannot be used."""
        try:
            return await self._in_thread(lambda: status(self.outbox, clock()))
        except OutboxError:
            return None

    def close(self) -> None:
        """Let calls that wait end: what they sent is delivered or queued."""
        if self.notifier is not None:
            self.notifier.stop()
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def find_team(state: Path, environ: Mapping[str, str] = os.environ) -> Team:
    """The team as the environment names it; see `notifier.credentials`."""
    outbox = Path(environ.get("NOTIFIER_OUTBOX") or state / "outbox.sqlite3")
    try:
        words = environ.get("NOTIFIER_TEMPLATES")
        notifier = Notifier(
            credentials(environ),
            outbox,
            server=Server(environ.get("TELEGRAM_BASE_URL") or API),
            clock=clock(),
            templates=Templates(Path(words) if words else None),
        )
    except ConfigurationError as error:
        return Team(None, str(error), outbox)
    return Team(notifier, "", outbox)
