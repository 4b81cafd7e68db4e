"""Who comes back, and when: greylisted and throttled addresses wait for their next try."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from validator.session import Session
from validator.settings import Settings
from validator.status import Status
from validator.trouble import Trouble
from validator.work import Job

MOST_THROTTLES = 3


class Returns:
    """Puts addresses back to work when their time has come.

    Args:
        settings: How long to wait, and how often.
        place: Takes an address that is to be asked again.
        settle: Gives the verdict of one that is not.
    """

    def __init__(
        self,
        settings: Settings,
        place: Callable[[Job], None],
        settle: Callable[[Job, Trouble, Session], None],
    ) -> None:
        self._settings = settings
        self._place = place
        self._settle = settle
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        """Nobody comes back."""
        for timer in self._timers:
            timer.cancel()

    def after_greylist(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Again from the same source after the next delay (RFC 6647), or the verdict."""
        delays = self._settings.greylist_delays if job.patient else ()
        if trouble.status is Status.TEMPFAIL:
            delays = delays[:1]
        if job.greylisted >= len(delays):
            self._settle(job, trouble, session)
            return
        delay = delays[job.greylisted]
        job.greylisted += 1
        job.source = session.lane.source
        self._later(delay, job)

    def after_silence(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Again from the same source once its cool-down is over, or the verdict."""
        wait = max(0.0, session.lane.silent_until - self._loop.time())
        job.throttled += 1
        patience = self._settings.patience if job.patient else 0.0
        if job.throttled > MOST_THROTTLES or wait > patience or not patience:
            self._settle(job, trouble, session)
            return
        job.source = session.lane.source
        self._later(wait or 1.0, job)

    def _later(self, delay: float, job: Job) -> None:
        def back() -> None:
            self._timers.discard(timer)
            self._place(job)

        timer = self._loop.call_later(delay, back)
        self._timers.add(timer)
