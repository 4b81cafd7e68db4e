"""The outbox's SQLite file: its tables, and how its failures read."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_VERSION = 1

_SCHEMA = """
CREATE TABLE attachment (id INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB NOT NULL);
-- One row is one request to Telegram. `position` is the order within a chat: the id, unless the row went to
-- the back; `html` is 0 for a text without markup.
CREATE TABLE message (
    id INTEGER PRIMARY KEY, position REAL NOT NULL, chat TEXT NOT NULL, event TEXT NOT NULL,
    method TEXT NOT NULL, text TEXT NOT NULL, html INTEGER NOT NULL, silent INTEGER NOT NULL,
    attachment INTEGER REFERENCES attachment (id), created REAL NOT NULL, deadline REAL NOT NULL,
    state TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0, server_errors INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0, orphaned INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', message_id INTEGER, finished REAL);
CREATE INDEX message_waiting ON message (chat, position) WHERE state = 'waiting';
CREATE INDEX message_finished ON message (finished) WHERE state <> 'waiting';
-- `ready`: not before; `held`: until when a 429 forbids it; `owner` is sending `message` to it.
CREATE TABLE chat (
    chat TEXT PRIMARY KEY, ready REAL NOT NULL, held REAL NOT NULL DEFAULT 0, moved_to TEXT,
    owner TEXT, message INTEGER);
CREATE INDEX chat_ready ON chat (ready) WHERE owner IS NULL;
CREATE INDEX chat_owner ON chat (owner) WHERE owner IS NOT NULL;
-- Requests under way (no `ended`) and those that ended as long ago as a limit reaches back.
CREATE TABLE attempt (id INTEGER PRIMARY KEY, chat TEXT NOT NULL, ended REAL);
CREATE INDEX attempt_chat ON attempt (chat, ended);
CREATE INDEX attempt_ended ON attempt (ended);
CREATE TABLE owner (name TEXT PRIMARY KEY);
CREATE TABLE repeats (
    key TEXT NOT NULL, chat TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, count INTEGER NOT NULL,
    told INTEGER NOT NULL, event TEXT NOT NULL, html TEXT NOT NULL, silent INTEGER NOT NULL,
    lifetime REAL NOT NULL,
    PRIMARY KEY (key, chat));
-- `held`: until when a 429 forbids all sending; `limited`: 429s since the latest delivery; `seen`: the latest
-- time that a sender read from its clock.
CREATE TABLE bot (held REAL NOT NULL, limited INTEGER NOT NULL, seen REAL NOT NULL);
INSERT INTO bot VALUES (0, 0, 0);
"""


class OutboxError(Exception):
    """The outbox cannot be used; one line that says which and why."""


class Database:
    """One connection, for one thread.

    Args:
        path: the file; it is made, readable to its owner alone, if there is none.
        durable: whether a commit outlives a power cut. What is accepted for sending must; that it was sent
            need not, at the price of sending it twice after a power cut.
        patience: seconds to wait for another process's transaction.
    """

    def __init__(self, path: Path, *, durable: bool, patience: float = 10.0) -> None:
        self.path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Never open and close a file that is there: POSIX drops all locks a process has on a file when it
            # closes any descriptor of it, and those of SQLite's open connections are such locks.
            # https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self.connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(f"outbox {path}: {_reason(error)}") from None
        self.connection.row_factory = sqlite3.Row
        try:
            self._prepare(durable, patience)
        except OutboxError:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All writes inside hold together, or none does.

        Raises:
            OutboxError: the file cannot be written.
        """
        with self.errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into :class:`OutboxError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise OutboxError(f"outbox {self.path}: {_reason(error)}") from None

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _prepare(self, durable: bool, patience: float) -> None:
        with self.errors():
            self._use_wal(time.monotonic() + patience)
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            if self._version() == _VERSION:
                return
        with self.transaction() as connection:
            # Asked again, because another process may have been quicker.
            version = self._version()
            if version > _VERSION:
                raise OutboxError(f"outbox {self.path}: written by a newer notifier (format {version})")
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _use_wal(self, deadline: float) -> None:
        """Switch to write-ahead logging; SQLite does not wait where two processes switch a new file."""
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])


def _reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error)
    known = {
        "database or disk is full": "the disk is full",
        "database is locked": "locked by another process",
        "attempt to write a readonly database": "read-only",
    }
    return known.get(text, text)
