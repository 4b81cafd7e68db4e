"""Storage that is full, lost or held by another."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import nats as nats_client
import pytest

from engine import subjects
from engine.model import State, StorageFull
from tests.engine.servers import Postgres
from tests.engine.world import OWNER, PACE, Fleet


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


class Disk:
    """A small one that holds the tables which grow with a job, and can be filled."""

    def __init__(self, postgres: Postgres, path: Path) -> None:
        self._postgres = postgres
        self._path = path
        self._ballast = path / "ballast"

    def __enter__(self) -> Self:
        self._path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self._path], check=True)
        shutil.chown(self._path, "postgres")
        self._postgres.rows(f"CREATE TABLESPACE small LOCATION '{self._path}'")
        self._move("small")
        return self

    def __exit__(self, *_: object) -> None:
        self._move("pg_default")
        self._postgres.rows("DROP TABLESPACE small")
        subprocess.run(["umount", self._path], check=True)
        self._path.rmdir()

    def fill(self) -> None:
        """Leave no room."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Take back what `fill` took."""
        self._ballast.unlink()

    def _move(self, tablespace: str) -> None:
        for table in ("address", "verdict"):
            self._postgres.rows(f"ALTER TABLE engine.{table} SET TABLESPACE {tablespace}")


@pytest.fixture
def disk(fleet: Fleet, folder: Path) -> Iterator[Disk]:
    with Disk(fleet.postgres, folder / "disk") as made:
        yield made


def test_a_list_for_which_postgresql_has_no_room_is_refused_in_one_line_and_nothing_of_it_is_kept(
    fleet: Fleet, disk: Disk
) -> None:
    async def run() -> None:
        disk.fill()
        with pytest.raises(StorageFull, match="no space left") as caught:
            await fleet.submit((f"u{n}@a.test" for n in range(5000)), key="k")
        assert "\n" not in str(caught.value)
        assert await fleet.jobs.list(owner=OWNER, limit=1) == []
        disk.free()
        assert await fleet.submit((f"u{n}@a.test" for n in range(5000)), key="k")

    asyncio.run(run())


def test_with_postgresqls_disk_full_in_mid_job_there_is_one_clear_line_and_no_verdict_is_lost(
    fleet: Fleet, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.domain("a.test", "127.0.51.1")

    def lines() -> list[str]:
        return [text for record in caplog.records if "PostgreSQL: " in (text := record.getMessage())]

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(400))
        slow: dict[str, Any] = {"budget": {"rate": 6000, "connects": 0, "daily": 0}}
        async with fleet.coordinator(), fleet.worker(**slow):
            await fleet.until(job, lambda found: found.done > 0)
            disk.fill()
            while not lines():
                await asyncio.sleep(0.05)
            await asyncio.sleep(2.5)  # terms enough to say it twice
            disk.free()
            await fleet.until(job)
        assert sorted(row["row"] for row in await fleet.rows(job)) == list(range(1, 401))
        assert len(lines()) == 1
        assert "No space left on device" in lines()[0]

    asyncio.run(run())
