"""Who takes the mail of domains, asked of DNS in time for the cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from validator.operators import default_operators
from validator.resolver import Resolver, system_resolver
from validator.route import find_route

AT_ONCE = 64
SECONDS = 10.0
"""For all domains of a block together; the rest goes to the shared queue and is learned later."""


class DnsRoutes:
    """Asks one resolver.

    Args:
        resolver: Host and port; None for the system's.
        seconds: For all domains of one call together.
    """

    def __init__(self, resolver: tuple[str, int] | None = None, *, seconds: float = SECONDS) -> None:
        self._resolver = Resolver(*(resolver or system_resolver()))
        self._operators = default_operators()
        self._seconds = seconds

    async def __call__(self, domains: Iterable[str]) -> Mapping[str, str]:
        """The operators of domains that have one and could be asked in time."""
        found: dict[str, str] = {}
        left = iter(sorted(domains))

        async def ask() -> None:
            for domain in left:
                route = await find_route(self._resolver, domain)
                if route.hosts:
                    found[domain] = self._operators.of(route.hosts[0].name).name

        tasks = [asyncio.create_task(ask()) for _ in range(AT_ONCE)]
        try:
            await asyncio.wait(tasks, timeout=self._seconds)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return dict(found)
