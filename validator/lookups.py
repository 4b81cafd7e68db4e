"""Routes of domains, so many looked up at once, and none long before a session can use it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sized

from validator.resolver import DnsError, Questions
from validator.route import Route, dns_failure, find_route
from validator.tasks import Tasks
from validator.work import Domain

log = logging.getLogger("validator")

MOST_LOOKUPS = 128


class Lookups:
    """Finds where the mail of domains goes.

    Args:
        dns: Whom to ask.
        tasks: Where the work is done.
        routed: Takes the answer.
        ahead: The routes that wait for a session.
        most: How many shall; none is looked up before a quarter of them is left.
    """

    def __init__(
        self,
        dns: Questions,
        tasks: Tasks,
        routed: Callable[[Domain, Route], None],
        ahead: Sized,
        most: int,
    ) -> None:
        self._dns = dns
        self._ahead = ahead
        self._most = most
        self._paused = False
        self._tasks = tasks
        self._routed = routed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Domain] = deque()
        self._running = 0

    def ask(self, domain: Domain) -> None:
        """Find the route of a domain that has none and is not asked for yet."""
        domain.resolving = True
        self._waiting.append(domain)
        self.go_on()

    def go_on(self) -> None:
        """Look up more, if few routes are left."""
        if self._waiting and self._running < MOST_LOOKUPS and self._wanted():
            self._running += 1
            self._tasks.begin(self._work())

    def _wanted(self) -> bool:
        self._paused = len(self._ahead) >= (self._most // 4 + 1 if self._paused else self._most)
        return not self._paused

    def close(self) -> None:
        """Begin no more."""
        self._waiting.clear()

    async def _work(self) -> None:
        """Find routes until none is asked for, or enough are found."""
        time = self._loop.time
        try:
            while self._waiting and self._wanted():
                domain = self._waiting.popleft()
                began = time()
                try:
                    route = await find_route(self._dns, domain.name)
                except Exception:
                    log.exception("route of %s", domain.name)
                    route = dns_failure(DnsError("malformed", domain.name))
                domain.dns_seconds = time() - began
                domain.resolving = False
                self._routed(domain, route)
        finally:
            self._running -= 1
