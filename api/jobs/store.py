"""Jobs on disk: accepted whole or not at all, one verdict a row, told in the order they became known.

Blocking; `api.jobs.local` calls it from threads. One object a connection, one connection a thread at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from api.jobs import schema
from api.jobs.forms import decode, packed, readable, unpacked
from engine.model import Job, JobNotFound, State
from validator import Verdict

_HIDDEN = ("ACCEPTING", "PRUNING")
# Rows deleted, and pages given back, in one step.
_SWEEP = 5000
_SHRINK = 2000


class Known(NamedTuple):
    """A verdict on one row of a job."""

    number: int
    row: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as its table has it; `number` is its short name inside the file."""

    number: int
    job: Job


class Store:
    """The tables through one connection.

    Args:
        path: The SQLite file.
        reserve: Bytes that a new list leaves free on the disk.
        read_only: For reading alone.

    Raises:
        StorageFull, StorageBroken: from every method.
    """

    def __init__(self, path: Path, *, reserve: int = 0, read_only: bool = False) -> None:
        self.path = path
        self._reserve = reserve
        self._db = schema.connect(path, read_only=read_only)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    # --- accepting --------------------------------------------------------------------------------

    def begin(self, owner: str, now: float) -> int:
        """A job that is shown to nobody until `accept`; its number."""
        self._leave_reserve()
        with schema.transaction(self._db, self.path) as db:
            found = db.execute(
                "INSERT INTO job (id, owner, state, created) VALUES (?, ?, 'ACCEPTING', ?)",
                (uuid4().hex, owner, now),
            )
            return int(found.lastrowid or 0)

    def append(self, number: int, first: int, addresses: Sequence[bytes]) -> None:
        """Rows from `first` on."""
        self._leave_reserve()
        with schema.transaction(self._db, self.path) as db:
            db.executemany(
                "INSERT INTO address (job, row, text) VALUES (?, ?, ?)",
                ((number, first + place, address) for place, address in enumerate(addresses)),
            )

    def mark_twins(self, number: int, twins: Sequence[tuple[int, int]]) -> None:
        """Rows that say the same as an earlier one: (earlier, later)."""
        with schema.transaction(self._db, self.path) as db:
            db.executemany(
                "UPDATE address SET first = ? WHERE job = ? AND row = ?",
                ((first, number, row) for first, row in twins),
            )
            db.executemany("INSERT INTO twin VALUES (?, ?, ?)", ((number, *pair) for pair in twins))

    def accept(self, number: int, total: int, repeats: int, key: str | None, digest: bytes) -> Stored:
        """The job is there."""
        state = State.QUEUED if total else State.DONE
        with schema.transaction(self._db, self.path) as db:
            db.execute(
                "UPDATE job SET state = ?, total = ?, repeats = ?, key = ?, digest = ?,"
                " finished = CASE ? WHEN 0 THEN created END WHERE number = ?",
                (state, total, repeats, key, digest, total, number),
            )
            return self._stored(db.execute("SELECT * FROM job WHERE number = ?", (number,)).fetchone())

    def _leave_reserve(self) -> None:
        """Refuse a list while there is space to remove it, and for the verdicts of jobs that run."""
        with schema.errors(self.path):
            disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < self._reserve:
            raise schema.full(self.path)

    # --- reading ----------------------------------------------------------------------------------

    def get(self, job_id: str, owner: str) -> Stored:
        """One job.

        Raises:
            JobNotFound: the owner has none such.
        """
        with schema.errors(self.path):
            row = self._db.execute(
                "SELECT * FROM job WHERE id = ? AND owner = ? AND state NOT IN (?, ?)",
                (job_id, owner, *_HIDDEN),
            ).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {job_id!r}")
        return self._stored(row)

    def by_key(self, owner: str, key: str) -> tuple[Stored, bytes] | None:
        """The job under an idempotency key, and its list's digest."""
        with schema.errors(self.path):
            row = self._db.execute(
                "SELECT * FROM job WHERE owner = ? AND key = ? AND state NOT IN (?, ?)",
                (owner, key, *_HIDDEN),
            ).fetchone()
        return None if row is None else (self._stored(row), bytes(row["digest"]))

    def page(self, owner: str, limit: int, before: str | None) -> list[Stored]:
        """The owner's jobs, the youngest first."""
        with schema.errors(self.path):
            rows = self._db.execute(
                "SELECT * FROM job WHERE owner = ? AND state NOT IN (?, ?) AND (? IS NULL OR number <"
                " (SELECT number FROM job WHERE id = ? AND owner = ?)) ORDER BY number DESC LIMIT ?",
                (owner, *_HIDDEN, before, before, owner, limit),
            ).fetchall()
        return [self._stored(row) for row in rows]

    def unfinished(self) -> list[Stored]:
        """Jobs of all owners that are not over, the oldest first."""
        with schema.errors(self.path):
            rows = self._db.execute(
                "SELECT * FROM job WHERE state IN (?, ?, ?) ORDER BY number",
                (State.QUEUED, State.RUNNING, State.PAUSED),
            ).fetchall()
        return [self._stored(row) for row in rows]

    def missing(self, number: int, rows: Sequence[int]) -> list[tuple[int, str]]:
        """Those of the rows that are to be checked: no verdict yet, nor another row in their place."""
        marks = ",".join("?" * len(rows))
        with schema.errors(self.path):
            found = self._db.execute(
                "SELECT row, text FROM address a WHERE job = ? AND first IS NULL"  # noqa: S608 - marks
                f" AND row IN ({marks}) AND NOT EXISTS"
                " (SELECT 1 FROM verdict v WHERE v.job = a.job AND v.row = a.row)",
                (number, *rows),
            ).fetchall()
        return [(row["row"], decode(row["text"])) for row in found]

    def results(self, number: int, after: int, limit: int) -> list[dict[str, Any]]:
        """Rows behind `after`, at most `limit`."""
        with schema.errors(self.path):
            found = self._db.execute(
                "SELECT v.seq, v.row, a.text, v.data FROM verdict v JOIN address a USING (job, row)"
                " WHERE v.job = ? AND v.seq > ? ORDER BY v.seq LIMIT ?",
                (number, after, limit),
            ).fetchall()
        return [
            {
                "seq": row["seq"],
                "row": row["row"],
                **unpacked(row["data"]),
                "email": readable(row["text"]),
            }
            for row in found
        ]

    # --- going on ---------------------------------------------------------------------------------

    def move(self, number: int, state: State, now: float, error: str | None = None) -> Stored:
        """Put a job into another state; one that is over stays as it is."""
        with schema.transaction(self._db, self.path) as db:
            db.execute(
                "UPDATE job SET state = ?, error = ?, finished = ? WHERE number = ? AND state IN (?, ?, ?)",
                (
                    state,
                    error,
                    now if state.over else None,
                    number,
                    State.QUEUED,
                    State.RUNNING,
                    State.PAUSED,
                ),
            )
            row = db.execute("SELECT * FROM job WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise JobNotFound("the job was pruned")
        return self._stored(row)

    def add(self, known: Sequence[Known], now: float) -> list[Stored]:
        """Keep verdicts, all or none; those of a job that is over are dropped.

        Returns:
            The jobs they belong to, as they stand then.
        """
        by_job: dict[int, list[Known]] = {}
        for item in known:
            by_job.setdefault(item.number, []).append(item)
        changed = []
        with schema.transaction(self._db, self.path) as db:
            for number, items in by_job.items():
                row = db.execute("SELECT * FROM job WHERE number = ?", (number,)).fetchone()
                if row is not None and row["state"] in {State.QUEUED, State.RUNNING, State.PAUSED}:
                    changed.append(self._add_to(db, row, items, now))
        return changed

    def _add_to(self, db: sqlite3.Connection, row: sqlite3.Row, items: Iterable[Known], now: float) -> Stored:
        number, done, counts = row["number"], row["done"], Counter(json.loads(row["counts"]))
        for item in items:
            data = packed(item.verdict)
            rows = [item.row]
            if row["repeats"]:
                twins = db.execute(
                    "SELECT row FROM twin WHERE job = ? AND first = ? ORDER BY row", (number, item.row)
                )
                rows += [twin["row"] for twin in twins]
            db.executemany(
                "INSERT INTO verdict (job, seq, row, data) VALUES (?, ?, ?, ?)",
                ((number, done + 1 + place, one, data) for place, one in enumerate(rows)),
            )
            done += len(rows)
            counts[item.verdict.status.value] += len(rows)
        state = State.DONE if done == row["total"] else State(row["state"])
        db.execute(
            "UPDATE job SET done = ?, counts = ?, state = ?, finished = ?, error = NULL WHERE number = ?",
            (
                done,
                json.dumps(counts),
                State.RUNNING if state is State.QUEUED else state,
                now if state.over else None,
                number,
            ),
        )
        return self._stored(db.execute("SELECT * FROM job WHERE number = ?", (number,)).fetchone())

    # --- ending -----------------------------------------------------------------------------------

    def discard(self, number: int) -> bool:
        """Take a step to forget a job; once begun it is shown to nobody.

        Steps are short, because whoever else writes waits for each.

        Returns:
            Whether it is gone.
        """
        with schema.transaction(self._db, self.path) as db:
            db.execute("UPDATE job SET state = 'PRUNING', key = NULL WHERE number = ?", (number,))
            for table, column in (("verdict", "seq"), ("twin", "first"), ("address", "row")):
                if self._sweep(number, table, column):
                    return False
            db.execute("DELETE FROM job WHERE number = ?", (number,))
        return True

    def shrink(self) -> bool:
        """Give some of the file's free space back to the disk; True when there is none left."""
        with schema.errors(self.path):
            self._db.executescript(f"PRAGMA incremental_vacuum({_SHRINK})")
            # The log of all that was deleted is given back too, unless a reader still needs it.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return not self._db.execute("PRAGMA freelist_count").fetchone()[0]

    def _sweep(self, number: int, table: str, column: str) -> int:
        last = self._db.execute(
            f"SELECT max({column}) FROM (SELECT {column} FROM {table} WHERE job = ?"  # noqa: S608 - ours
            f" ORDER BY {column} LIMIT {_SWEEP})",
            (number,),
        ).fetchone()[0]
        found = self._db.execute(
            f"DELETE FROM {table} WHERE job = ? AND {column} <= ?",  # noqa: S608 - ours
            (number, last),
        )
        return found.rowcount

    def hidden(self) -> list[int]:
        """Jobs that are half accepted or half forgotten."""
        with schema.errors(self.path):
            rows = self._db.execute("SELECT number FROM job WHERE state IN (?, ?)", _HIDDEN).fetchall()
        return [row["number"] for row in rows]

    def over_before(self, time: float) -> list[int]:
        """Jobs that were over by then."""
        with schema.errors(self.path):
            rows = self._db.execute("SELECT number FROM job WHERE finished < ?", (time,)).fetchall()
        return [row["number"] for row in rows]

    @staticmethod
    def _stored(row: sqlite3.Row) -> Stored:
        finished = row["finished"]
        return Stored(
            row["number"],
            Job(
                id=row["id"],
                owner=row["owner"],
                state=State(row["state"]),
                total=row["total"],
                done=row["done"],
                counts=json.loads(row["counts"]),
                created=datetime.fromtimestamp(row["created"], UTC),
                finished=None if finished is None else datetime.fromtimestamp(finished, UTC),
                error=row["error"],
            ),
        )
