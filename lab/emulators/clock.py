"""The emulators' time: the machine's wall clock plus what a test has advanced it by."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Wall clock in seconds since the epoch, advanced by hand so that no test waits for a token to expire."""

    def __init__(self, read: Callable[[], float] = time.time, offset: float = 0.0) -> None:
        self._read = read
        self.offset = offset

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._read() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self.offset += seconds


def hurried(speed: float, offset: float = 0.0) -> Clock:
    """A clock that passes `speed` seconds in one, from 2026 on, so that a restart does not set it back."""
    epoch = 1_767_225_600.0
    return Clock(lambda: epoch + (time.time() - epoch) * speed, offset)


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, the form all three vendors use: 2026-11-24T10:00:00.000Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
