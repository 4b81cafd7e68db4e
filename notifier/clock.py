"""The time the notifier lives by, passed in so that a test can hold or hurry it."""

from __future__ import annotations

import time

SPEED = "NOTIFIER_TEST_SPEED"
"""Environment variable for tests only: how many seconds pass in one. Telegram's limits, pauses and timeouts
all shrink with it, so both ends of a test must be given the same speed. Never set it on a node."""

_EPOCH = 1_767_225_600.0
"""2026-01-01: from here on a hurried clock runs ahead, the same in every process and after every restart."""


class Clock:
    """Wall-clock seconds since the epoch, passing `speed` times as fast.

    The wall clock, not a monotonic one, because the outbox outlives processes and reboots.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed

    def now(self) -> float:
        """Seconds since the epoch."""
        now = time.time()
        return now if self.speed == 1.0 else _EPOCH + (now - _EPOCH) * self.speed

    def real(self, seconds: float) -> float:
        """How long to wait on this machine until `seconds` have passed on this clock."""
        return seconds / self.speed
