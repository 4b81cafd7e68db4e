"""How often a caller may call: a bucket for each key, filled by the clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """A token bucket for each caller.

    Args:
        rate: Calls a second in the long run.
        burst: Calls at once.
        clock: Seconds that only grow.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        # As many as there are keys, so it needs no end.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Count one call; 0, or the seconds until the next is allowed."""
        now = self._clock()
        left, since = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        if left < 1.0:
            self._left[name] = (left, now)
            return (1.0 - left) / self._rate
        self._left[name] = (left - 1.0, now)
        return 0.0
