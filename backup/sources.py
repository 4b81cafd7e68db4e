"""What goes into an archive, read while it is in use: databases, keys, SQLite files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from backup.archive import DATABASES, KEYS, STATE, Entry
from backup.config import Config, Secrets
from backup.errors import BackupError

CHUNK = 1 << 20
_MAGIC = b"SQLite format 3\0"


def entries(config: Config, secrets: Secrets) -> Iterator[Entry]:
    """Everything, keys first: who restores it must know before anything else whether they fit."""
    for name, key in sorted(secrets.keys.items()):
        yield Entry(f"{KEYS}/{name}", [key.encode()])
    for name in config.databases:
        yield Entry(f"{DATABASES}/{name}", dump(config, name, secrets.passwords[name]))
    for folder in config.state:
        for path in sqlite_files(folder):
            yield Entry(f"{STATE}/{folder.name}/{path.name}", [snapshot(path)])


def dump(config: Config, database: str, password: str) -> Iterator[bytes]:
    """A database as ``pg_dump`` writes it: its state of one moment, in PostgreSQL's custom format.

    Raises:
        BackupError: with what ``pg_dump`` said.
    """
    argv = [str(config.postgresql / "pg_dump"), "--format=custom", "--lock-wait-timeout=60s", "--no-password"]
    argv += ["--host", str(config.socket), "--username", database, database]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "PGPASSWORD": password, "LC_ALL": "C.UTF-8"},
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            while chunk := process.stdout.read(CHUNK):
                yield chunk
            if process.wait():
                said.seek(0)
                raise BackupError(f"database {database} cannot be dumped: {last_line(said.read())}")
        finally:
            process.stdout.close()
            process.kill()
            process.wait()


def sqlite_files(folder: Path) -> list[Path]:
    """The databases of a folder, told by their first bytes."""
    found = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) == _MAGIC:
                    found.append(path)
    return found


def snapshot(path: Path) -> bytes:
    """A SQLite file's state of one moment, copied in memory: no second plain file comes to be.

    Raises:
        BackupError: with what SQLite said.
    """
    try:
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as source,
            closing(sqlite3.connect(":memory:")) as copy,
        ):
            source.backup(copy)
            return copy.serialize()
    except sqlite3.Error as error:
        raise BackupError(f"{path} cannot be copied: {error}") from None


def last_line(said: bytes) -> str:
    """The telling line of what a program said on stderr."""
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
    return (errors or lines or ["it said nothing"])[0]
