"""Jobs under kill -9, full disks and size: nothing lost, nothing twice, no more memory."""

from __future__ import annotations

import asyncio
import gc
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.jobs import Job, LocalJobs, State, StorageFull
from tests.api.jobs.conftest import all_rows, asked, ended, listed, opened, serve, settings_for
from tests.validator.servers import World
from validator import Settings

NOWHERE = Settings(helo="probe.test", resolver=("127.0.0.1", 9))


def rows_on_disk(path: Path) -> set[int]:
    with closing(sqlite3.connect(path, timeout=10)) as db:
        return {row for (row,) in db.execute("SELECT row FROM verdict")}


def test_after_kill_9_every_address_has_one_verdict_and_only_what_was_in_flight_is_asked_again(
    world: World, tmp_path: Path
) -> None:
    domains, count = 6, 900
    servers = serve(world, domains, delay=0.004)
    addresses = [f"u{n}@d{n % domains}.test" for n in range(count)]
    kept: set[int] = set()
    for kill in range(3):
        before = asked(servers)
        process = start(tmp_path, world, addresses)
        assert process.stdout is not None
        assert process.stdout.readline() == "accepted\n"
        until = time.monotonic() + 60
        while len(rows_on_disk(tmp_path / "jobs.db")) < 150 * (kill + 1):
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        asked_now = asked(servers) - before
        assert not {addresses[row - 1] for row in kept} & set(asked_now), "what was known is asked again"
        kept = rows_on_disk(tmp_path / "jobs.db")

    async def go() -> tuple[Job, list[dict[str, object]]]:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(addresses), owner="n8n", key="k")
            job = await ended(jobs, job)
            assert len(await jobs.list(owner="n8n", limit=9)) == 1
            return job, await all_rows(jobs, job)

    job, rows = asyncio.run(go())
    assert job.state is State.DONE
    assert [row["seq"] for row in rows] == list(range(1, count + 1))
    assert {row["email"]: row["valid"] for row in rows} == {
        address: n % 2 == 0 for n, address in enumerate(addresses)
    }
    # With the validator at each kill: at most 40 of each domain.
    assert sum(times - 1 for times in asked(servers).values()) <= 3 * 40 * domains


def test_another_process_that_looks_into_the_store_takes_nothing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    look = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM job'); db.close()"
    )

    async def go() -> None:
        async with opened(tmp_path, NOWHERE) as jobs:
            for count in range(1, 4):
                job = await ended(jobs, await jobs.submit(listed(["bad", "worse"]), owner="a"))
                # The last to close an SQLite file removes its log: this one must not be the last.
                await asyncio.to_thread(subprocess.run, [sys.executable, "-c", look, str(path)], check=True)
                assert (tmp_path / "jobs.db-wal").exists()
                assert len(await jobs.list(owner="a", limit=9)) == count
                assert len(await all_rows(jobs, job)) == 2
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM verdict").fetchone() == (6,)

    asyncio.run(go())


def test_stopping_at_any_moment_loses_no_verdict_and_asks_for_none_again(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    servers = serve(world, 3, delay=0.002)
    addresses = [f"u{n}@d{n % 3}.test" for n in range(900)]

    async def go() -> None:
        for pause in range(8):
            before = asked(servers)
            kept = rows_on_disk(tmp_path / "jobs.db") if pause else set()
            async with opened(tmp_path, settings_for(world)) as jobs:
                job = await jobs.submit(listed(addresses), owner="n8n", key="k")
                await asyncio.sleep(0.05 + 0.013 * pause)
            assert not {addresses[row - 1] for row in kept} & set(asked(servers) - before)
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await ended(jobs, job)
            assert (job.state, job.done) == (State.DONE, 900)
            assert [row["seq"] for row in await all_rows(jobs, job)] == list(range(1, 901))

    asyncio.run(go())
    assert "could not be kept" not in caplog.text
    assert "stand still" not in caplog.text


def start(directory: Path, world: World, addresses: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.api.jobs.worker", str(directory), str(world.resolver[1])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write("\n".join(addresses))
    process.stdin.close()
    return process


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Eight megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk: Path) -> Path:
    path = disk / "filler"
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return path


@pytest.mark.root
def test_a_list_that_the_disk_cannot_hold_is_one_clear_error_and_leaves_nothing(disk: Path) -> None:
    async def go() -> None:
        async with opened(disk, NOWHERE, reserve=4 << 20) as jobs:
            for _ in range(2):
                with pytest.raises(StorageFull, match=rf"^no space left for the jobs in {disk}$"):
                    await jobs.submit(listed(f"u{n}@d0.test" for n in range(300_000)), owner="a", key="k")
            assert await jobs.list(owner="a", limit=9) == []
            job = await jobs.submit(listed(["bad"]), owner="a", key="k")
            assert (await ended(jobs, job)).state is State.DONE

    asyncio.run(go())


@pytest.mark.root
def test_a_job_stands_still_on_a_full_disk_and_goes_on_when_there_is_space(disk: Path, world: World) -> None:
    servers = serve(world, 2, delay=0.004)
    addresses = [f"u{n}@d{n % 2}.test" for n in range(600)]

    async def go() -> None:
        async with opened(disk, settings_for(world), reserve=0) as jobs:
            job = await jobs.submit(listed(addresses), owner="a")
            await reached(jobs, job, 50)
            filler = fill(disk)
            async with asyncio.timeout(30):
                while (now := await jobs.get(job.id, owner="a")).error is None:
                    await asyncio.sleep(0.05)
            assert now.state is State.RUNNING
            assert now.error.startswith(f"no space left for the jobs in {disk}; goes on by itself")
            with pytest.raises(StorageFull):
                await jobs.submit(listed(["bad"]), owner="a")
            while any(server.open_now for server in servers):
                await asyncio.sleep(0.05)
            count = sum(asked(servers).values())
            await asyncio.sleep(1.5)
            assert sum(asked(servers).values()) == count < 600
            filler.unlink()
            done = await ended(jobs, job)
            assert (done.state, done.done, done.error) == (State.DONE, 600, None)

    asyncio.run(go())
    assert set(asked(servers).values()) == {1}, "no verdict was lost, so none is asked for twice"


async def reached(jobs: LocalJobs, job: Job, seq: int) -> None:
    async for row in jobs.results(job.id, owner=job.owner, follow=True):
        if row["seq"] == seq:
            return


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_long_list_is_accepted_and_told_with_flat_memory(tmp_path: Path) -> None:
    count, mark = 120_000, 30_000
    seen: list[int] = []

    async def bad_addresses() -> AsyncIterator[str]:
        for n in range(count):
            if n in {mark, count - 1}:
                gc.collect()
                seen.append(resident())
            yield f"\x01{n}"

    async def go() -> None:
        async with opened(tmp_path, NOWHERE) as jobs:
            began = time.monotonic()
            job = await jobs.submit(bad_addresses(), owner="a")
            # 60 s for a million, with room for a busy machine.
            assert time.monotonic() - began < 60 * count / 1_000_000 * 2
            async for row in jobs.results(job.id, owner="a", follow=True):
                if row["seq"] in {mark, count}:
                    gc.collect()
                    seen.append(resident())
            assert (await jobs.get(job.id, owner="a")).done == count

    asyncio.run(go())
    at_mark, accepted, told_mark, told = seen
    assert accepted - at_mark < 6_000_000
    assert told - told_mark < 6_000_000
