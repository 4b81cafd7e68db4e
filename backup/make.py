"""Making one archive: under a temporary name until it is whole and on the disk, then the old ones go."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from backup.archive import About, pack
from backup.config import Config, Secrets
from backup.errors import BackupError
from backup.seal import encrypt
from backup.sources import entries

SUFFIX = ".age"
DIGEST = ".sha256"
"""Suffix of the file beside an archive that has its SHA-256, as ``sha256sum`` writes it."""

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<fleet>[a-z0-9-]+)-(?P<time>\d{8}T\d{6}Z)\.age")


def archive_name(fleet: str, at: datetime) -> str:
    """Of an archive made at a moment; names of a fleet sort by time."""
    return f"{fleet}-{at.astimezone(UTC).strftime(_TIME)}{SUFFIX}"


def made_at(name: str) -> datetime | None:
    """When the archive of a name was made; None for what is none."""
    match = _NAME.fullmatch(name)
    return datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC) if match else None


def outdated(names: Iterable[str], keep_days: int) -> list[str]:
    """The archives that go: older than `keep_days` before the newest. So a halt of backups deletes none."""
    times = {name: at for name in names if (at := made_at(name))}
    if not times:
        return []
    oldest = max(times.values()) - timedelta(days=keep_days)
    return sorted(name for name, at in times.items() if at < oldest)


def prune(folder: Path, keep_days: int) -> list[str]:
    """Delete the outdated archives of a folder; their names."""
    gone = outdated((path.name for path in folder.glob(f"*{SUFFIX}")), keep_days)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}{DIGEST}").unlink(missing_ok=True)
    return gone


def make(config: Config, secrets: Secrets, now: datetime) -> Path:
    """Make one archive and drop the outdated ones.

    Raises:
        BackupError: it could not be made; the archives that were there still are.
    """
    if not config.recipients:
        raise BackupError("no backups are wanted here: the fleet file has no `backups`")
    path = config.folder / archive_name(config.fleet, now)
    part = path.with_name(f"{path.name}.part")
    try:
        with _alone(config.folder):
            for left in config.folder.glob("*.part"):  # of one that was killed
                left.unlink()
            try:
                _write(config, secrets, now, part)
                part.rename(path)
                sync(config.folder)
            finally:
                part.unlink(missing_ok=True)
            prune(config.folder, config.keep_days)
    except OSError as error:
        raise BackupError(f"{config.folder} cannot be written: {error.strerror or error}") from None
    return path


def _write(config: Config, secrets: Secrets, now: datetime, part: Path) -> None:
    about = About(
        config.fleet,
        config.host,
        now.isoformat(timespec="seconds"),
        version("outreach-engine"),
        config.secret,
    )
    with part.open("xb") as file:
        target = _Hashing(file.fileno())
        encrypt(pack(about, entries(config, secrets)), target, config.recipients)
        os.fsync(file.fileno())
    # Before the archive has its name: one that is there has its digest.
    write_digest(part.with_suffix(""), target.digest.hexdigest())


class _Hashing:
    """A file that knows the SHA-256 of what went into it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.digest = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.digest.update(data)
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def write_digest(archive: Path, digest: str) -> None:
    """Write an archive's digest beside it."""
    path = archive.with_name(f"{archive.name}{DIGEST}")
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(f"{digest}  {archive.name}\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def sync(folder: Path) -> None:
    """Have a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupError("another backup is being made") from None
    finally:
        os.close(descriptor)
