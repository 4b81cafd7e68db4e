"""What the emulators know, in one SQLite file, so that a kill -9 between two requests loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""A JSON object as a vendor's API carries it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    position INTEGER PRIMARY KEY, vendor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    parent TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (vendor, kind, id));
CREATE INDEX IF NOT EXISTS object_parent ON object (vendor, kind, parent);
CREATE TABLE IF NOT EXISTS sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, vendor TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    query TEXT NOT NULL, status INTEGER, fault TEXT);
"""


class Table:
    """The objects of one kind of one vendor, in the order they were made."""

    def __init__(self, connection: sqlite3.Connection, vendor: str, kind: str) -> None:
        self._connection = connection
        self._scope = (vendor, kind)

    def get(self, key: object, parent: object | None = None) -> Json | None:
        """The object, or None; also None if a parent is given and it is another's."""
        row = self._connection.execute(
            "SELECT body FROM object WHERE vendor = ? AND kind = ? AND id = ?"
            " AND parent = coalesce(?, parent)",
            (*self._scope, str(key), None if parent is None else str(parent)),
        ).fetchone()
        return None if row is None else _object(row[0])

    def put(self, key: object, body: Json, parent: object = "") -> None:
        """Write the object; one that exists keeps its place in the order."""
        self._connection.execute(
            "INSERT INTO object (vendor, kind, id, parent, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (vendor, kind, id) DO UPDATE SET parent = excluded.parent, body = excluded.body",
            (*self._scope, str(key), str(parent), json.dumps(body, separators=(",", ":"))),
        )

    def delete(self, key: object) -> None:
        """Forget the object, if there is one."""
        self._connection.execute(
            "DELETE FROM object WHERE vendor = ? AND kind = ? AND id = ?", (*self._scope, str(key))
        )

    def rows(self, parent: object | None = None) -> list[Json]:
        """All objects, or those of one parent."""
        query = "SELECT body FROM object WHERE vendor = ? AND kind = ?"
        arguments: tuple[str, ...] = self._scope
        if parent is not None:
            query += " AND parent = ?"
            arguments = (*arguments, str(parent))
        return [
            _object(body) for (body,) in self._connection.execute(query + " ORDER BY position", arguments)
        ]


class Store:
    """One SQLite file: objects, sequences, settings and the request log.

    Used from the event loop's thread alone, so a transaction is never interleaved with another request's.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        # WAL with synchronous=NORMAL survives the death of the process
        # (sqlite.org/pragma.html#pragma_synchronous).
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside hold together, or none does."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def table(self, vendor: str, kind: str) -> Table:
        """The objects of one kind."""
        return Table(self._connection, vendor, kind)

    def number(self, name: str, start: int = 1) -> int:
        """The next number of a sequence; numbers are never given twice."""
        row = self._connection.execute(
            "INSERT INTO sequence (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name, start),
        ).fetchone()
        return int(row[0])

    def setting(self, name: str, default: float) -> float:
        """A number set through the control endpoint, or the default."""
        row = self._connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else float(row[0])

    def set(self, name: str, value: float) -> None:
        """Keep a number over restarts."""
        self._connection.execute(
            "INSERT INTO setting (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, str(value)),
        )

    def dump(self, vendor: str) -> dict[str, list[Json]]:
        """Every object of a vendor by kind, for inspection."""
        found: dict[str, list[Json]] = {}
        for kind, body in self._connection.execute(
            "SELECT kind, body FROM object WHERE vendor = ? ORDER BY position", (vendor,)
        ):
            found.setdefault(kind, []).append(_object(body))
        return found

    def log(self, at: float, vendor: str, method: str, path: str, query: str) -> int:
        """Open an entry of the request log; its status is set once an answer left."""
        return int(
            self._connection.execute(
                "INSERT INTO request (at, vendor, method, path, query) VALUES (?, ?, ?, ?, ?)",
                (at, vendor, method, path, query),
            ).lastrowid
            or 0
        )

    def answered(self, entry: int, status: int | None, fault: str | None) -> None:
        """Close an entry of the request log; no status means that no answer was given."""
        self._connection.execute(
            "UPDATE request SET status = ?, fault = ? WHERE id = ?", (status, fault, entry)
        )

    def logged(self, vendor: str) -> list[Json]:
        """The vendor's requests, oldest first."""
        names = ("id", "at", "method", "path", "query", "status", "fault")
        return [
            dict(zip(names, row, strict=True))
            for row in self._connection.execute(
                "SELECT id, at, method, path, query, status, fault FROM request WHERE vendor = ? ORDER BY id",
                (vendor,),
            )
        ]

    def forget_log(self, vendor: str) -> None:
        """Empty the vendor's request log."""
        self._connection.execute("DELETE FROM request WHERE vendor = ?", (vendor,))

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in ("object", "sequence", "setting", "request"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of this line

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _object(text: str) -> Json:
    body: Json = json.loads(text)
    return body
