"""Putting an archive's content in place of what a host has: prepared beside it, then exchanged.

Up to the exchange nothing in use is touched, and nothing stops. It begins only when the whole archive has
been read and found whole. A journal notes that it has begun: whoever is interrupted later runs it again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from backup.archive import DATABASES, KEYS, STATE, About, Piece, Sealed, unpack
from backup.config import Config, Secrets
from backup.errors import BackupError, DamagedError
from backup.postgres import BEFORE, NEW, SPENT, Postgres, Restoring
from backup.units import Units

SETTLES = 60.0
"""Seconds that a unit has to come up in."""


@dataclass
class Journal:
    """What is noted of an exchange that has begun.

    Args:
        path: of the file; there is none unless an exchange has begun and not ended.
        made: which archive, by the moment it was made.
        units: what ran before, and is started again.
        kept: databases whose content from before has been, or is being, set aside.
    """

    path: Path
    made: str = ""
    units: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Journal:
        """The one that is there, else an empty one."""
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return cls(path)
        return cls(path, found["made"], tuple(found["units"]), tuple(found["kept"]))

    def write(self) -> None:
        """Have it on the disk."""
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("w", encoding="utf-8") as file:
            json.dump({**asdict(self), "path": None}, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.path)


@dataclass
class _Taken:
    """What has been read of the archive so far."""

    about: About | None = None
    databases: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)


class Restore:
    """One restoration.

    Args:
        config: what this host's backups hold.
        secrets: this host's own passwords and keys.
        postgres: its databases.
        units: its services.
        journal: where to note how far it is.
        say: told each step.
    """

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        postgres: Postgres,
        units: Units,
        *,
        journal: Path,
        say: Callable[[str], None],
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._postgres = postgres
        self._units = units
        self._journal = Journal.read(journal)
        self._say = say
        self._taken = _Taken()
        self._feeding: tuple[str, Restoring | IO[bytes]] | None = None

    def run(self, stream: IO[bytes], *, force: bool) -> list[Sealed]:
        """Restore a decrypted archive.

        Args:
            stream: the archive.
            force: replace databases that hold something; they are kept under another name.

        Returns:
            What was restored.

        Raises:
            BackupError: it was refused or failed; what was in use still is, unless the text says otherwise.
        """
        try:
            self._prepare(stream, force=force)
        except BaseException:
            self._forget()
            raise
        self._exchange()
        return self._taken.sealed

    def _prepare(self, stream: IO[bytes], *, force: bool) -> None:
        for found in unpack(stream):
            if isinstance(found, About):
                self._accept(found, force=force)
            elif isinstance(found, Piece):
                self._take(found)
            else:
                self._taken.sealed.append(found)
        self._close()

    def _accept(self, about: About, *, force: bool) -> None:
        if about.fleet != self._config.fleet:
            raise BackupError(f"the archive is of the fleet {about.fleet}, and this is {self._config.fleet}")
        self._taken.about = about
        self._say(f"archive of {about.made}, made on {about.host} by release {about.release}")
        if force or self._journal.made == about.made:
            return
        for database in self._config.databases:
            if tables := self._postgres.filled(database):
                raise BackupError(
                    f"the database {database} is not empty ({tables} tables hold something); --force replaces"
                    f" it, and keeps what it holds as {database}_{BEFORE}"
                )

    def _take(self, piece: Piece) -> None:
        if self._taken.about is None:
            raise DamagedError("it does not say whose it is")
        folder, _, name = piece.name.partition("/")
        if folder == KEYS:
            self._compare(name, piece.data)
            return
        if self._feeding is None or self._feeding[0] != piece.name:
            self._close()
            self._feeding = (piece.name, self._open(piece.name))
        self._feeding[1].write(piece.data)

    def _compare(self, name: str, key: bytes) -> None:
        """Keys are derived anew from the root secret: what they opened in the archive they must open here."""
        own = self._secrets.keys.get(name)
        if own is not None and own.encode() != key:
            assert self._taken.about is not None  # noqa: S101 - checked by the caller
            raise BackupError(
                f"the archive's {name} is not this host's: it was made under another OUTREACH_SECRET, whose"
                f" fingerprint is {self._taken.about.secret}; apply with that one, then restore"
            )

    def _open(self, piece: str) -> Restoring | IO[bytes]:
        folder, _, name = piece.partition("/")
        if folder == DATABASES and name in self._config.databases:
            self._say(f"restoring database {name}")
            self._postgres.prepare(name)
            self._taken.databases.append(name)
            return self._postgres.restoring(name)
        home, _, file = name.partition("/")
        homes = {path.name: path for path in self._config.state}
        known = folder == STATE and home in homes and homes[home].is_dir()
        if known and file and "/" not in file:
            self._say(f"restoring {homes[home] / file}")
            path = homes[home] / f"{file}.{NEW}"
            self._taken.files.append(path)
            return _as_its_folder(path)
        raise BackupError(f"the archive holds {piece}, which has no place here: apply first, or update")

    def _close(self) -> None:
        """An entry has ended."""
        if self._feeding is None:
            return
        feeding, self._feeding = self._feeding[1], None
        if isinstance(feeding, Restoring):
            feeding.end()
        else:
            feeding.flush()
            os.fsync(feeding.fileno())
            feeding.close()

    def _forget(self) -> None:
        """Nothing of what was prepared stays."""
        if self._feeding is not None and isinstance(self._feeding[1], Restoring):
            self._feeding[1].abandon()
        for path in self._taken.files:
            path.unlink(missing_ok=True)
        for name in self._taken.databases:
            with suppress(BackupError):  # the reason for all this is told
                self._postgres.drop(f"{name}_{NEW}")

    def _exchange(self) -> None:
        assert self._taken.about is not None  # noqa: S101 - an archive without it was refused
        databases, journal = self._taken.databases, self._journal
        again = journal.made == self._taken.about.made
        if not again:
            full = tuple(name for name in databases if self._postgres.filled(name))
            for name in full:  # of a restoration before this one
                self._postgres.drop(f"{name}_{BEFORE}")
            journal.made, journal.kept = self._taken.about.made, full
            journal.units = self._units.active(self._config.holders)
            journal.write()
        self._say(f"stopping {' '.join(journal.units) or 'nothing'}")
        self._units.stop(self._units.active(self._config.holders))
        present = [name for name in databases if self._postgres.exists(name)]
        self._postgres.exchange(databases, {name: self._aside(name) for name in present})
        for path in self._taken.files:
            final = path.with_suffix("")
            for left in ("-wal", "-shm", "-journal"):  # of the file that goes
                final.with_name(f"{final.name}{left}").unlink(missing_ok=True)
            path.rename(final)
        for name in databases:
            self._postgres.drop(f"{name}_{SPENT}")
        self._start(journal.units)
        journal.path.unlink()
        for name in journal.kept:
            self._say(f"what {name} held before is kept as {name}_{BEFORE}")

    def _aside(self, name: str) -> str:
        """What the present database becomes: kept if it held something before this restoration began."""
        before = f"{name}_{BEFORE}"
        keep = name in self._journal.kept and not self._postgres.exists(before)
        return before if keep else f"{name}_{SPENT}"

    def _start(self, units: Sequence[str]) -> None:
        self._say(f"starting {' '.join(units) or 'nothing'}")
        self._units.start(units)
        deadline = time.monotonic() + SETTLES
        while dead := [unit for unit in units if not self._units.is_active(unit)]:
            if time.monotonic() > deadline:
                raise BackupError(
                    f"all is restored, but {dead[0]} does not come up: see `journalctl -u {dead[0]}`"
                )
            time.sleep(0.2)


def _as_its_folder(path: Path) -> IO[bytes]:
    """A new file of the folder's own user."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    owner = path.parent.stat()
    shutil.chown(path, owner.st_uid, owner.st_gid)
    return os.fdopen(descriptor, "wb")
