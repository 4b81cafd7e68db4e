"""Stay under a vendor's rate limit instead of running into it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class Pacer:
    """At most `limit` requests in any `seconds`, and none while the vendor asked for silence.

    Args:
        limit: requests allowed; a little below the vendor's own, which counts other users of the token too.
        seconds: the length of the window.
        clock: a monotonic clock, in seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        limit: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._sent: deque[float] = deque()
        self._silent_until = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when one more request may be sent, and count it."""
        while delay := self._claim():
            self._sleep(delay)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, as the vendor asked."""
        with self._lock:
            self._silent_until = max(self._silent_until, self._clock() + seconds)

    def _claim(self) -> float:
        """Claim a place and return 0, or return the seconds until one may be free."""
        with self._lock:
            now = self._clock()
            while self._sent and self._sent[0] <= now - self._seconds:
                self._sent.popleft()
            if now < self._silent_until:
                return self._silent_until - now
            if len(self._sent) >= self._limit:
                return self._sent[0] + self._seconds - now
            self._sent.append(now)
            return 0.0


class PacedAdapter(HTTPAdapter):
    """Sends the requests of a `requests` session at a pacer's pace, and tells it what the answers say."""

    def __init__(self, pacer: Pacer, learn: Callable[[Pacer, int, Mapping[str, str]], None]) -> None:
        super().__init__(pool_maxsize=16)
        self._pacer = pacer
        self._learn = learn

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """See :meth:`requests.adapters.HTTPAdapter.send`."""
        self._pacer.wait()
        response = super().send(request, **kwargs)
        self._learn(self._pacer, response.status_code, response.headers)
        return response


def connection_cause(error: requests.RequestException) -> str:
    """What happened to a connection, without the library's nested representation."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return f"the connection failed: {getattr(inner, 'strerror', None) or inner}"
