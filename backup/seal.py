"""Encryption around an archive: age, to the public keys of those who may read it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyrage

from backup.errors import BackupError, DamagedError


class Target(Protocol):
    """What takes encrypted bytes."""

    def write(self, data: bytes, /) -> int:
        """Take them, and say how many."""

    def flush(self) -> None:
        """Nothing more comes."""


class _Source:
    """An iterator of bytes as a file to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._held = memoryview(chunk)
        found, self._held = self._held[:size], self._held[size:]
        return bytes(found)


class _Remembering:
    """Keeps the exception of a file's side: age's own code passes on no more than its text."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._file, name)

        def call(*arguments: object) -> object:
            try:
                return method(*arguments)
            except BaseException as error:
                self.error = error
                raise

        return call


def encrypt(chunks: Iterator[bytes], target: Target, recipients: Sequence[str]) -> None:
    """Encrypt as it comes.

    Args:
        chunks: the plain bytes.
        target: takes the encrypted ones.
        recipients: age public keys.

    Raises:
        BackupError: a recipient is none.
        Exception: whatever reading or writing raised.
    """
    keys = [recipient(text) for text in recipients]
    source, sink = _Remembering(_Source(chunks)), _Remembering(target)
    try:
        pyrage.encrypt_io(source, sink, keys)
    except (pyrage.EncryptError, OSError):
        error = source.error or sink.error
        if error is None:
            raise
        raise error from None


def recipient(text: str) -> Any:
    """An age public key.

    Raises:
        BackupError: it is none.
    """
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BackupError(f"{text[:80]!r} is no age public key (age1...)") from None


def identities(path: Path) -> list[Any]:
    """The private keys of a file, as ``age-keygen`` writes it: one a line, and comments.

    Raises:
        BackupError: it cannot be read, or holds none. A key is never shown.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        lines = []
    found = []
    for line in lines:
        if line.startswith("AGE-SECRET-KEY-1"):
            try:
                found.append(pyrage.x25519.Identity.from_str(line))
            except pyrage.IdentityError:
                raise BackupError(f"{path} holds a damaged age identity") from None
    if not found:
        raise BackupError(
            f"{path} holds no age identity (AGE-SECRET-KEY-1...); decrypt one with a passphrase first"
        )
    return found


@contextmanager
def opened(archive: Path, keys: Sequence[Any]) -> Iterator[IO[bytes]]:
    """The plain bytes of an encrypted file, as they are decrypted; nothing plain touches the disk.

    Args:
        archive: the file.
        keys: from :func:`identities`.

    Raises:
        DamagedError: it is not what was encrypted, or not all of it.
        BackupError: none of the keys opens it, or it cannot be read.
    """
    receive, give = os.pipe()
    problems: list[Exception] = []

    def decrypt() -> None:
        try:
            with os.fdopen(give, "wb") as plain, archive.open("rb") as sealed:
                pyrage.decrypt_io(sealed, plain, keys)
        except Exception as error:  # it is raised where the bytes are read
            problems.append(error)

    work = threading.Thread(target=decrypt, daemon=True)
    work.start()
    try:
        with os.fdopen(receive, "rb") as plain:
            yield plain
    except BaseException:
        work.join()
        # A reader that found an early end found what follows from this.
        _raise(archive, problems)
        raise
    work.join()
    _raise(archive, problems)


def _raise(archive: Path, problems: Sequence[Exception]) -> None:
    for problem in problems:
        if not isinstance(problem, BrokenPipeError):  # that is a reader who needs no more
            raise _explained(archive, problem) from None


def _explained(archive: Path, error: Exception) -> BackupError:
    said = str(error)
    if "No matching keys" in said:
        return BackupError(f"{archive}: no identity that was given opens it: it is encrypted to others")
    if isinstance(error, FileNotFoundError):
        return BackupError(f"{archive}: no such file")
    if isinstance(error, OSError) and error.strerror:
        return BackupError(f"{archive} cannot be read ({error.strerror})")
    return DamagedError(f"{archive} is damaged, or not all of it is there ({said})")
