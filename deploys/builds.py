"""What builders of releases share: a folder held by one at a time, tools that end, failures of one line."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KEPT = 16
"""Archives, and sets of wheels, that stay beside the one in use."""
BUILD_SECONDS = 900
"""Of one tool, and for whoever waits for another build."""


class ReleaseError(ValueError):
    """There is no release, and it cannot be made: one line."""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def alone(folder: Path, seconds: int = BUILD_SECONDS) -> Iterator[None]:
    """Make a folder and hold it: nobody else builds in it meanwhile.

    Args:
        folder: of the cache.
        seconds: how long to wait for somebody who holds it.

    Raises:
        ReleaseError: it cannot be made, or stays held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ReleaseError(f"{folder} cannot be used ({error.strerror}); set OUTREACH_CACHE") from None
    try:
        deadline = time.monotonic() + seconds
        # Asked again and again: to block here would hold every greenlet of this process, the builder's too.
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise ReleaseError(f"another build holds {folder} for {seconds} s; end it, and try again")
            time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run_tool(
    argv: Sequence[str], folder: Path, seconds: int = BUILD_SECONDS, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end.

    Args:
        argv: its command line.
        folder: where it stands.
        seconds: it may take.
        environment: added to this process's.

    Raises:
        ReleaseError: it took longer.
    """
    try:
        return subprocess.run(
            argv,
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ReleaseError(f"{' '.join(argv[1:4])} did not end within {seconds} s") from None


def cause(said: str) -> str:
    """The telling line of what a tool said: the first error, which the others follow from."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[0].removeprefix("ERROR: ")


def prune(folder: Path, pattern: str, current: Path, kept: int = KEPT) -> None:
    """Drop all but the newest: a cache that only grows is a full disk one day."""
    others = sorted(
        (path for path in folder.glob(pattern) if path != current), key=lambda p: p.stat().st_mtime
    )
    for old in others[:-kept] if len(others) > kept else []:
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
