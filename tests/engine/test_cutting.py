"""Whose queue an address goes to: what DNS says of its domain, and what verdicts have said."""

from __future__ import annotations

import asyncio

from engine.routes import DnsRoutes
from tests.engine.world import NAMED, OWNER, Fleet


def test_lists_are_cut_by_the_operator_that_dns_names(fleet: Fleet) -> None:
    fleet.domain("g.test", "127.0.51.1", host="aspmx.l.google.com")
    fleet.domain("small.test", "127.0.51.2")

    async def run() -> None:
        addresses = [f"u{n}@g.test" for n in range(20)] + [f"u{n}@small.test" for n in range(20)]
        job = await fleet.submit([*addresses, "u1@gone.test", "nonsense"])
        async with fleet.coordinator(routes=DnsRoutes(fleet.world.resolver)):
            for _ in range(100):
                queues = fleet.postgres.rows(
                    "SELECT queue, sum(cardinality(places))::integer FROM engine.chunk GROUP BY queue"
                )
                if queues:
                    break
                await asyncio.sleep(0.05)
        assert dict(queues) == {"google": 20, "misc": 22}
        await fleet.jobs.cancel(job, owner=OWNER)

    asyncio.run(run())


def test_what_verdicts_tell_of_a_domain_is_used_for_the_next_list(fleet: Fleet) -> None:
    fleet.domain("g.test", "127.0.51.1", host="aspmx.l.google.com")

    async def run() -> None:
        async with fleet.coordinator(), fleet.worker(operators=NAMED):
            for n in (2, 4):
                await fleet.until(await fleet.submit([f"u{n}@g.test"]))
        assert fleet.postgres.rows("SELECT queue FROM engine.chunk ORDER BY job") == [("misc",), ("google",)]

    asyncio.run(run())
