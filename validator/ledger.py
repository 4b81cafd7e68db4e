"""What a bulk run knows, on disk: memory is for what is in flight.

The output file is the checkpoint: every record there is done. Beside it stands a SQLite file with what would
not fit in memory: where each address's verdict stands in the output (duplicates are checked once), which
domains accept all, and, for `--ordered`, results that wait for their turn.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from pathlib import Path


class Ledger:
    """The SQLite file of one run.

    Args:
        path: Where.
        durable: Commit at every `commit`, so that a killed process loses nothing; else now and then.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._unsaved = 0
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A killed process loses nothing in WAL mode; a lost machine may, and then the output is the truth.
        for line in (
            "journal_mode=WAL",
            "synchronous=OFF",
            "cache_size=-256",
            "temp_store=FILE",
            "mmap_size=0",
        ):
            self._db.execute(f"PRAGMA {line}")
        self._db.execute("PRAGMA wal_autocheckpoint=256")
        self._db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS seen (key INTEGER PRIMARY KEY, place INTEGER)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS held (row INTEGER PRIMARY KEY, key INTEGER, record BLOB)"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS domain (key INTEGER PRIMARY KEY, accepts INTEGER, until REAL)"
        )
        self._db.execute("BEGIN")

    # --- verdicts by address ---------------------------------------------------------------------------

    def place(self, key: int) -> int | None:
        """Where the verdict of an address stands: an offset in the output, or `-row` if it is held."""
        found = self._db.execute("SELECT place FROM seen WHERE key = ?", (key,)).fetchone()
        return int(found[0]) if found else None

    def put_place(self, key: int, place: int) -> None:
        """Keep where it stands."""
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (key, place))
        self._unsaved += 1

    def forget_places(self) -> None:
        """Before they are read anew from the output."""
        self._db.execute("DELETE FROM seen")

    # --- results that wait for their turn ----------------------------------------------------------------

    def hold(self, row: int, key: int, record: bytes) -> None:
        """Keep a result whose predecessors are not known yet."""
        self._db.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (row, key, record))
        self._unsaved += 1

    def held(self, row: int) -> tuple[int, bytes] | None:
        """Key and record of a held result."""
        found = self._db.execute("SELECT key, record FROM held WHERE row = ?", (row,)).fetchone()
        return (int(found[0]), bytes(found[1])) if found else None

    def release(self, row: int) -> None:
        """It has been written."""
        self._db.execute("DELETE FROM held WHERE row = ?", (row,))
        self._unsaved += 1

    def held_rows(self) -> list[tuple[int, int]]:
        """Row and key of all held results."""
        return [(int(row), int(key)) for row, key in self._db.execute("SELECT row, key FROM held")]

    # --- catch-all (validator.work.CatchAllMemory) --------------------------------------------------------

    def get(self, domain: str, operator: str) -> bool | None:
        """See `CatchAllMemory`."""
        row = self._db.execute(
            "SELECT accepts, until FROM domain WHERE key = ?", (hashed(domain, operator),)
        ).fetchone()
        return bool(row[0]) if row and row[1] > time.time() else None

    def put(self, domain: str, operator: str, *, accepts_all: bool, ttl: float) -> None:
        """See `CatchAllMemory`."""
        values = (hashed(domain, operator), int(accepts_all), time.time() + ttl)
        self._db.execute("INSERT OR REPLACE INTO domain VALUES (?, ?, ?)", values)
        self._unsaved += 1

    # --- the file ------------------------------------------------------------------------------------------

    def meta(self, name: str) -> str | None:
        """A fact about the run."""
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else None

    def put_meta(self, name: str, value: str) -> None:
        """Keep a fact about the run."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        self._unsaved += 1

    def commit(self, *, now: bool = False) -> None:
        """Save, if it is due."""
        if self._unsaved and (self._durable or now or self._unsaved >= 1000):
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")
            self._unsaved = 0

    def close(self, *, remove: bool) -> None:
        """Save and close; remove the file if the run is complete."""
        self._db.execute("COMMIT")
        self._db.close()
        if remove:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def hashed(*parts: str) -> int:
    """63 bits of a name; among a million the chance of one collision is one in ten million."""
    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1
