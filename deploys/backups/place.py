"""The folder that archives are pulled to: what is there, and whether it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from backup.archive import About, Sealed, unpack
from backup.errors import BackupError, DamagedError
from backup.make import DIGEST, SUFFIX, archive_name, made_at, sync, write_digest
from backup.seal import encrypt, opened

LATEST = "latest"
"""Stands for the newest archive of a place."""


@dataclass(frozen=True)
class Archive:
    """An archive of a place.

    Args:
        path: of the file.
        made: when.
        size: bytes.
    """

    path: Path
    made: datetime
    size: int


class Place:
    """A folder of archives of one fleet.

    Args:
        folder: need not be there yet.
        fleet: name of the fleet; archives of others are left alone.
    """

    def __init__(self, folder: Path, fleet: str) -> None:
        self.folder = folder
        self._fleet = fleet

    def archives(self) -> list[Archive]:
        """Those that are there, the oldest first."""
        paths = sorted(self.folder.glob(f"{self._fleet}-*{SUFFIX}")) if self.folder.is_dir() else []
        return [
            Archive(path, made, path.stat().st_size)
            for path in paths
            # The name of another fleet may begin with this one's.
            if (made := made_at(path.name)) and path.name == archive_name(self._fleet, made)
        ]

    def find(self, word: str) -> Path:
        """The archive that a person means: a path, a name of one here, or `latest`.

        Raises:
            BackupError: there is none.
        """
        if word == LATEST:
            there = self.archives()
            if not there:
                raise BackupError(
                    f"{self.folder} holds no archive of {self._fleet}; pull some: outreach backup"
                )
            return there[-1].path
        for path in (Path(word), self.folder / word):
            if path.is_file():
                return path
        raise BackupError(f"{word}: no such file, and {self.folder} holds none of this name")

    def take(self, name: str, digest: str, fetch: Callable[[IO[bytes]], None]) -> Path:
        """Have an archive here: under its name once it is whole and on the disk.

        Args:
            name: of the archive.
            digest: its SHA-256 where it comes from.
            fetch: writes it.

        Raises:
            BackupError: it did not come whole, or cannot be written.
        """
        path = self.folder / name
        part = path.with_name(f"{name}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with part.open("wb") as file:
                fetch(file)
                file.flush()
                os.fsync(file.fileno())
            if sha256(part) != digest:
                raise DamagedError(f"{name} did not come whole; run it again")
            write_digest(path, digest)
            part.rename(path)
            sync(self.folder)
        except OSError as error:
            raise BackupError(f"{self.folder} cannot be written: {error.strerror or error}") from None
        finally:
            part.unlink(missing_ok=True)
        return path

    def keep_secret(self, secret: bytes, name: str, recipients: Sequence[str]) -> Path | None:
        """Have the fleet's root secret here, encrypted to those who may read the archives.

        Args:
            secret: the root secret.
            name: its fingerprint.
            recipients: age public keys.

        Returns:
            The file, if it was written now.
        """
        path = self.folder / f"{self._fleet}-secret-{name}{SUFFIX}"
        if path.exists():
            return None
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                encrypt(iter([secret + b"\n"]), file, recipients)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            sync(self.folder)
        except OSError as error:
            raise BackupError(f"{self.folder} cannot be written: {error.strerror or error}") from None
        return path


def sha256(path: Path) -> str:
    """A file's digest, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified(archive: Path, keys: Sequence[Any]) -> tuple[About, list[Sealed]]:
    """Read a whole archive without keeping any of it.

    Args:
        archive: the file.
        keys: age identities.

    Returns:
        Whose it is, and what is in it.

    Raises:
        BackupError: it is damaged, or of a later version, or none of the keys opens it.
    """
    beside = archive.with_name(f"{archive.name}{DIGEST}")
    if beside.exists() and beside.read_text("utf-8").partition(" ")[0] != sha256(archive):
        raise DamagedError(f"{archive} is damaged: it is not what {beside.name} says")
    about: About | None = None
    found: list[Sealed] = []
    with opened(archive, keys) as plain:
        try:
            for item in unpack(plain):
                if isinstance(item, About):
                    about = item
                elif isinstance(item, Sealed):
                    found.append(item)
        except DamagedError as error:
            raise DamagedError(f"{archive} is damaged: {error}") from None
        except BackupError as error:
            raise BackupError(f"{archive}: {error}") from None
    if about is None:
        raise DamagedError(f"{archive} is damaged: it does not say whose it is")
    return about, found
