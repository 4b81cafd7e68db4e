"""Answers kept under the caller's `Idempotency-Key`, so that a repeated call does nothing twice.

An answer is written down after its work is done. Where the process dies between the two, a repeat does the
work again: for a message to the team, surely comes before once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from api.problems import Problem

log = logging.getLogger(__name__)

KEPT_SECONDS = 2 * 86400.0
REMEMBERED = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    owner TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    created REAL NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_created ON answer (created);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: status and body."""

    status: int
    body: bytes


Kept = tuple[bytes, Answer]
Name = tuple[str, str]
T = TypeVar("T")


class Answers:
    """The answers given lately.

    Args:
        path: SQLite file; made if there is none.
        now: Seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._under_way: dict[Name, tuple[bytes, asyncio.Future[Answer]]] = {}
        # Also what could not be written, because the disk is full.
        self._recent: OrderedDict[Name, Kept] = OrderedDict()
        # SQLite blocks; one thread of its own has the file.
        self._thread = ThreadPoolExecutor(1, "answers")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def once(self, name: Name, asked: bytes, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer kept under this name, or that of `work`.

        Args:
            name: Owner and key.
            asked: What the call asks for, in one spelling.
            work: Does it. If it raises, nothing is kept, and a repeat tries again.

        Raises:
            Problem: 409, the key came with another call before.
        """
        digest = hashlib.sha256(asked).digest()
        if name in self._under_way:
            first, future = self._under_way[name]
            _same(first, digest)
            return await asyncio.shield(future)
        future = asyncio.get_running_loop().create_future()
        self._under_way[name] = (digest, future)
        try:
            answer = await self._found_or_done(name, digest, work)
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # nobody may be waiting for it
            else:
                future.cancel()
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            del self._under_way[name]

    async def _found_or_done(
        self, name: Name, digest: bytes, work: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        kept = self._recent.get(name) or await self._in_file(lambda file: self._load(file, name))
        if kept is not None:
            _same(kept[0], digest)
            return kept[1]
        answer = await work()
        self._recent[name] = (digest, answer)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        await self._in_file(lambda file: self._save(file, name, digest, answer))
        return answer

    async def _in_file(self, step: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do a step in the file's thread; a file that cannot be used must not keep a message back."""

        def run() -> T:
            with closing(sqlite3.connect(self._path, timeout=5.0)) as connection, connection:
                connection.executescript(_SCHEMA)
                return step(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s: %s; answers are kept in memory", self._path, error)
            return None

    def _load(self, connection: sqlite3.Connection, name: Name) -> Kept | None:
        row = connection.execute(
            "SELECT digest, status, body FROM answer WHERE owner = ? AND key = ? AND created > ?",
            (*name, self._now() - KEPT_SECONDS),
        ).fetchone()
        return None if row is None else (row[0], Answer(row[1], row[2]))

    def _save(self, connection: sqlite3.Connection, name: Name, digest: bytes, answer: Answer) -> None:
        now = self._now()
        connection.execute("DELETE FROM answer WHERE created < ?", (now - KEPT_SECONDS,))
        connection.execute(
            "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?)",
            (*name, digest, answer.status, answer.body, now),
        )


def _same(first: bytes, digest: bytes) -> None:
    if first != digest:
        raise Problem(
            409,
            "idempotency_key_reused",
            "This Idempotency-Key came with another request before; use a new one.",
        )
