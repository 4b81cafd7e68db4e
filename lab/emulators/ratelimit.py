"""Rate limits as the vendors enforce them: a bucket that refills steadily, a window that ends all at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """What one request found.

    Args:
        allowed: whether the request is served.
        limit: requests per `seconds`.
        seconds: the window's length, or the time an empty bucket takes to fill.
        remaining: whole requests left.
        reset: seconds until the full limit is available again.
        retry_after: whole seconds until one more request is served; 0 when it is now.
    """

    allowed: bool
    limit: int
    seconds: float
    remaining: int
    reset: float
    retry_after: int


class RateLimit(ABC):
    """`limit` requests in `seconds`."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._first = (limit, seconds)
        self.configure(limit, seconds)

    def reset(self) -> None:
        """Start anew with the vendor's own figures."""
        self.configure(*self._first)

    def configure(self, limit: int, seconds: float) -> None:
        """Start anew with other figures."""
        self.limit = limit
        self.seconds = seconds
        self.restart()

    @abstractmethod
    def restart(self) -> None:
        """Forget what was used."""

    @abstractmethod
    def take(self, now: float) -> Allowance:
        """Count one request at `now` (seconds on any clock that moves forward)."""


class Bucket(RateLimit):
    """A token bucket: bursts up to `limit`, refilled by `limit / seconds` a second (Hetzner, Contabo)."""

    def restart(self) -> None:
        """Fill the bucket."""
        self._level = float(self.limit)
        self._at: float | None = None

    def take(self, now: float) -> Allowance:
        """See :meth:`RateLimit.take`; a refused request costs nothing."""
        rate = self.limit / self.seconds
        if self._at is not None:
            self._level = min(self.limit, self._level + (now - self._at) * rate)
        self._at = now
        allowed = self._level >= 1
        if allowed:
            self._level -= 1
        return Allowance(
            allowed,
            self.limit,
            self.seconds,
            int(self._level),
            (self.limit - self._level) / rate,
            0 if self._level >= 1 else math.ceil((1 - self._level) / rate),
        )


class Window(RateLimit):
    """A fixed window from the first request on; past the limit calls are blocked to its end (Cloudflare)."""

    def restart(self) -> None:
        """Begin a new window with the next request."""
        self._begin: float | None = None
        self._used = 0

    def take(self, now: float) -> Allowance:
        """See :meth:`RateLimit.take`."""
        if self._begin is None or now >= self._begin + self.seconds:
            self._begin, self._used = now, 0
        allowed = self._used < self.limit
        if allowed:
            self._used += 1
        reset = self._begin + self.seconds - now
        remaining = self.limit - self._used
        return Allowance(
            allowed, self.limit, self.seconds, remaining, reset, 0 if remaining else math.ceil(reset)
        )
