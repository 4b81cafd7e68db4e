"""Storage that is full, lost or held by another."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import nats as nats_client
import pytest

from engine import subjects
from engine.model import State
from tests.engine.world import PACE, Fleet


def test_with_nats_storage_full_there_is_one_clear_line_and_work_goes_on_when_there_is_room(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(50))
        async with fleet.coordinator(pace=replace(PACE, work_bytes=300, verdict_bytes=300)):
            stuck = await fleet.until(job, lambda found: found.error is not None)
            assert stuck.state is State.QUEUED or stuck.state is State.RUNNING
            assert "NATS has no room left" in str(stuck.error)
            await asyncio.sleep(1)
            assert len(fleet.postgres.rows("SELECT 1 FROM engine.trouble")) == 1
        lines = [record for record in caplog.records if "no room left" in record.getMessage()]
        assert len(lines) == 1
        # Work has room now, verdicts still have none: nodes hold what they know, and say so.
        async with fleet.coordinator(pace=replace(PACE, verdict_bytes=300)), fleet.worker("n1"):
            stuck = await fleet.until(job, lambda found: "n1: NATS has no room" in str(found.error))
            assert stuck.done == 0
        async with fleet.coordinator(), fleet.worker("n2"):
            done = await fleet.until(job)
        assert done.error is None
        assert len(await fleet.rows(job)) == 50

    asyncio.run(run())


def test_with_all_of_nats_lost_in_mid_job_postgresql_alone_brings_it_to_its_end(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(200))
        slow: dict[str, Any] = {"budget": {"rate": 3000, "connects": 0, "daily": 0}}
        async with fleet.coordinator():
            async with fleet.worker("n1", **slow):
                await fleet.until(job, lambda found: found.done >= 10)
            client = await nats_client.connect(fleet.nats.url)
            for stream in (subjects.WORK, subjects.VERDICTS):
                await client.jetstream().delete_stream(stream)
            await client.close()
            async with fleet.worker("n2"):
                await fleet.until(job, seconds=40)
        assert sorted(row["row"] for row in await fleet.rows(job)) == list(range(1, 201))

    asyncio.run(run())


def test_a_second_coordinator_waits_and_takes_over(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        async with fleet.worker():
            async with fleet.coordinator():
                first = await fleet.submit(["u2@a.test"])
                await fleet.until(first)
                async with asyncio.TaskGroup() as group:
                    second = fleet.coordinator()
                    await second.__aenter__()
                    await asyncio.sleep(0.5)
                    held = fleet.postgres.rows(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    )
                    assert held == [(1,)]
                    del group
            job = await fleet.submit(["u4@a.test"])
            await fleet.until(job)
            await second.__aexit__(None, None, None)

    asyncio.run(run())
