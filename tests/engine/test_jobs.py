from __future__ import annotations

import asyncio

from tests.engine.world import Fleet


def test_a_list_is_checked_over_two_nodes_and_each_row_has_its_verdict(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")
    fleet.domain("b.test", "127.0.51.2", host="aspmx.l.google.com")
    addresses = [f"u{n}@{'ab'[n % 2 == 0]}.test" for n in range(60)] + ["nonsense", "u4@b.test", "U4@B.test "]

    async def run() -> None:
        job = await fleet.submit(addresses)
        async with fleet.coordinator(), fleet.worker("n1"), fleet.worker("n2"):
            done = await fleet.until(job)
        rows = await fleet.rows(job)
        assert done.done == len(addresses) == len(rows)
        assert sorted(row["row"] for row in rows) == list(range(1, len(addresses) + 1))
        assert [row["seq"] for row in rows] == list(range(1, len(addresses) + 1))

    asyncio.run(run())
