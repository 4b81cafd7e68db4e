"""Which senders of an outbox are alive: known by the kernel, not guessed from a timer.

Every sender holds a lock (flock(2)) on a file of its own beside the outbox. The kernel drops the lock with
the process, be it killed with -9, and keeps it while the process is only stopped or slow; so what a dead
sender had in its hands is taken over at once, and what a living one has, never. Works across containers that
share the directory, and not over a network file system.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path


class Owner:
    """This sender's life, from `Owner(outbox)` to :meth:`close` or the end of the process."""

    def __init__(self, outbox: Path) -> None:
        self.name = secrets.token_hex(8)
        self._path = _lock(outbox, self.name)
        self._file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            # A command of root leaves nothing that the outbox's own user could not read.
            kept = outbox.stat()
            os.fchown(self._file, kept.st_uid, kept.st_gid)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """End it."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def is_dead(outbox: Path, name: str) -> bool:
    """Whether a sender has ended; what it left of its lock is removed."""
    path = _lock(outbox, name)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)


def _lock(outbox: Path, name: str) -> Path:
    return outbox.with_name(f"{outbox.name}.{name}.lock")
