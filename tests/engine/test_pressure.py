"""Back-pressure: what a slower neighbour cannot take yet waits where it is, and nobody's memory holds it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import nats as nats_client

from engine import subjects
from engine.model import State
from tests.engine.world import MANNER, OWNER, PACE, Fleet
from tests.validator.servers import Mx

LONG = 200_000
"""Addresses: some 6 MB, far more than the buffers of a socket hold."""


async def grown(count: list[int], seconds: float = 1.0) -> int:
    """By how much a counter grows while one waits."""
    before = len(count)
    await asyncio.sleep(seconds)
    return len(count) - before


def test_a_list_is_read_no_faster_than_the_database_takes_it(fleet: Fleet) -> None:
    taken: list[int] = []
    begun = asyncio.Event()

    async def addresses() -> AsyncIterator[str]:
        for number in range(LONG):
            taken.append(number)
            if number == 5000:
                begun.set()
                await asyncio.sleep(0)
            yield f"somebody.{number}@a.test"

    async def run() -> None:
        accepting = asyncio.create_task(fleet.jobs.submit(addresses(), owner=OWNER))
        await begun.wait()
        ask = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY engine%'"
        ((copying,),) = fleet.postgres.rows(ask)
        os.kill(copying, signal.SIGSTOP)
        try:
            await grown(taken)
            assert await grown(taken) == 0
            assert len(taken) < LONG // 2
        finally:
            os.kill(copying, signal.SIGCONT)
        assert (await accepting).total == LONG

    asyncio.run(run())


def test_of_a_long_list_nats_holds_a_chunk_a_node_and_the_database_the_rest(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.52.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(5000))
        client = await nats_client.connect(fleet.nats.url)
        async with fleet.coordinator():
            ((chunks,),) = await asyncio.to_thread(lambda: _chunks_when_all_are_cut(fleet))
            await asyncio.sleep(1)
            held = (await client.jetstream().stream_info(subjects.WORK)).state.messages
        await client.close()
        assert chunks > 10
        assert held == 2  # for the node that may come first, and one more that it finds without waiting
        assert (await fleet.jobs.get(job, owner=OWNER)).state in (State.QUEUED, State.RUNNING)

    asyncio.run(run())


def _chunks_when_all_are_cut(fleet: Fleet) -> list[tuple[int]]:
    while fleet.postgres.rows("SELECT 1 FROM engine.job WHERE cut < total"):
        pass
    return fleet.postgres.rows("SELECT count(*) FROM engine.chunk")


def test_a_node_whose_verdicts_find_no_room_asks_nobody_else_until_they_do(fleet: Fleet) -> None:
    server = fleet.domain("a.test", "127.0.52.2")
    most = replace(MANNER, most=200)

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(2000))
        async with fleet.coordinator(pace=replace(PACE, verdict_bytes=300)), fleet.worker(manner=most):
            await fleet.until(job, lambda found: "NATS has no room" in str(found.error))
            await asyncio.sleep(1)
            asked = _asked(server)
            await asyncio.sleep(1)
            assert 0 < _asked(server) == asked < 1000
        async with fleet.coordinator(), fleet.worker("n2"):
            assert (await fleet.until(job)).done == 2000

    asyncio.run(run())


def _asked(server: Mx) -> int:
    return sum(len(session.recipients) for session in server.sessions)


def test_results_are_read_a_page_at_a_time_however_many_there_are(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.52.3")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(3000))
        async with fleet.coordinator(), fleet.worker():
            await fleet.until(job)
        reading = fleet.jobs.results(job, owner=OWNER)
        first = await anext(reading)
        # Of a reader that pauses here nothing is kept: no connection, and no more than its page.
        open_now = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        assert fleet.postgres.rows(open_now) == [(1,)]  # the question's own
        fleet.postgres.rows("DELETE FROM engine.verdict WHERE seq > 2000")
        rows = [first, *[row async for row in reading]]
        assert [row["seq"] for row in rows] == list(range(1, 2001))

    asyncio.run(run())
