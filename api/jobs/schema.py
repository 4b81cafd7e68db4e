"""The job store's SQLite file: its tables, its connections, and how its failures read."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.model import StorageBroken, StorageFull

_VERSION = 1

_SCHEMA = """
-- `state` is a `State`, or ACCEPTING or PRUNING: such jobs are shown to nobody. `repeats`: rows that say the
-- same as an earlier one. `counts`: JSON, verdicts by status.
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, key TEXT,
    digest BLOB, state TEXT NOT NULL, total INTEGER NOT NULL DEFAULT 0, repeats INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, counts TEXT NOT NULL DEFAULT '{}', created REAL NOT NULL, finished REAL,
    error TEXT);
CREATE UNIQUE INDEX job_key ON job (owner, key) WHERE key IS NOT NULL;
CREATE INDEX job_owner ON job (owner, number);
-- `first`: the row that is checked in this one's place.
CREATE TABLE address (
    job INTEGER NOT NULL, row INTEGER NOT NULL, text BLOB NOT NULL, first INTEGER, PRIMARY KEY (job, row)
) WITHOUT ROWID;
CREATE TABLE twin (
    job INTEGER NOT NULL, first INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (job, first, row)
) WITHOUT ROWID;
-- `seq`: in the order they became known. That a row has one verdict is the index's word, not ours.
CREATE TABLE verdict (
    job INTEGER NOT NULL, seq INTEGER NOT NULL, row INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX verdict_row ON verdict (job, row);
"""

# What SQLite says where a disk, a quota or a limit on file size ends: https://sqlite.org/rescode.html
_NO_SPACE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
_PATIENCE = 30.0


@contextmanager
def errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into `StorageFull` and `StorageBroken`."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _NO_SPACE:
            raise full(path) from None
        raise StorageBroken(f"job store {path}: {error}") from None
    except OSError as error:
        raise StorageBroken(f"job store {path}: {error.strerror or error}") from None


def full(path: Path) -> StorageFull:
    """What to say then."""
    return StorageFull(f"no space left for the jobs in {path.parent}")


def claim(path: Path, patience: float = 10.0) -> int:
    """Make this process the only one that works on the jobs; the lock ends with the process.

    Returns:
        A file descriptor to close when done.

    Raises:
        StorageBroken: another process has them, still after `patience` seconds.
    """
    with errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                os.close(lock)
                raise StorageBroken(f"job store {path}: another process works on it") from None
            time.sleep(0.05)
        else:
            return lock


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the file; it is made, readable to its owner alone, if there is none.

    Raises:
        StorageFull, StorageBroken: it cannot be opened or was written by a newer version.
    """
    with errors(path):
        # Never open and close a file that is there: POSIX drops all locks a process has on a file when it
        # closes any descriptor of it, and those of SQLite's open connections are such locks.
        # https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        with errors(path):
            connection.row_factory = sqlite3.Row
            _prepare(connection, path)
            connection.execute(f"PRAGMA query_only = {int(read_only)}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """All writes inside hold together, or none does."""
    with errors(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    # Space of pruned jobs goes back to the disk; must come before the first table.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # A row that was told to a reader must outlive a power cut: its `seq` is never given to another.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -4096")
    # The log stays about a megabyte, so that on a full disk there is room to remove what was begun.
    connection.execute("PRAGMA wal_autocheckpoint = 256")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _VERSION:
        raise StorageBroken(f"job store {path}: written by a newer version (format {version})")
    if version == 0:
        with transaction(connection, path):
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
