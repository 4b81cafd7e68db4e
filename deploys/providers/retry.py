"""Try again after failures that pass, only with what may be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from deploys.providers import ProviderError

T = TypeVar("T")

DELAYS = (0.5, 2.0, 6.0)
"""Seconds before each further try."""


def persist(attempt: Callable[[], T], sleep: Callable[[float], object] = time.sleep) -> T:
    """Call `attempt` until it succeeds or fails for good.

    Args:
        attempt: looks at the world before it changes it, so that repeating it after a lost answer is safe.
        sleep: waits so many seconds.

    Raises:
        ProviderError: it failed for a reason that does not pass, or too often.
    """
    for delay in DELAYS:
        try:
            return attempt()
        except ProviderError as error:
            if not error.ambiguous:
                raise
            sleep(delay)
    return attempt()
