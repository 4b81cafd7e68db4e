"""When the next attempt is made after one that brought no verdict."""

from __future__ import annotations

FOREGROUND = 3
"""Attempts after the first that a caller waits for: 2, 4 and 8 seconds apart."""

LONGEST = 300.0
"""Seconds between two attempts at most, so that the queue moves soon after a long outage."""

_FIRST = 2.0
_JITTER = 0.25

DEADLINE = 24 * 3600.0
"""Seconds for which a message is worth sending, unless its sender says otherwise."""


def pause(failures: int, jitter: float) -> float:
    """Seconds from the `failures`-th failed attempt to the next one: 2, 4, 8, 16, ... up to :data:`LONGEST`.

    Args:
        failures: failed attempts so far, 1 or more.
        jitter: a random number in [0, 1); lengthens the pause by up to a quarter, so that senders which
            failed together do not return together.
    """
    # The exponent is bound, because the number of failures is not.
    steady = min(LONGEST, _FIRST * 2 ** min(failures - 1, 16))
    return float(steady * (1 + _JITTER * jitter))
