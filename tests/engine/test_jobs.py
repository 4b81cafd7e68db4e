"""Jobs as their owners see them: lists in, results out, stopped and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from engine.jobs import FleetJobs
from engine.model import IdempotencyConflict, JobNotFound, JobOver, State, StorageBroken, TooManyAddresses
from tests.engine.world import MANNER, OWNER, PACE, Fleet, each
from validator import Stage, Status, Verdict

FEW = replace(MANNER, misc_window=50)


def test_a_list_is_checked_over_two_nodes_and_each_row_has_its_verdict(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")
    fleet.domain("b.test", "127.0.51.2", host="aspmx.l.google.com")
    addresses = [f"u{n}@{'ab'[n % 2]}.test" for n in range(60)] + ["nonsense", "\ud800\0\t\\\n@a.test", ""]

    async def run() -> None:
        job = await fleet.submit(addresses)
        async with fleet.coordinator(), fleet.worker("n1"), fleet.worker("n2"):
            done = await fleet.until(job)
        rows = await fleet.rows(job)
        assert done.done == done.total == len(addresses) == len(rows)
        assert sorted(row["row"] for row in rows) == list(range(1, len(addresses) + 1))
        assert [row["seq"] for row in rows] == list(range(1, len(addresses) + 1))
        assert done.counts == {"VALID": 30, "MAILBOX_NOT_FOUND": 30, "INVALID_SYNTAX": 3}
        for row in rows:
            exists = row["row"] <= 60 and row["row"] % 2 == 1
            assert row["valid"] == exists
        assert done.error is None
        assert done.finished is not None
        assert await fleet.rows(job, after=61) == rows[61:]

    asyncio.run(run())


def test_a_row_carries_what_the_validator_says_of_one_address(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(["u2@a.test"])
        async with fleet.coordinator(), fleet.worker():
            await fleet.until(job)
        (row,) = await fleet.rows(job)
        names = list(Verdict("u2@a.test", Status.VALID, "", "", 1.0, Stage.RCPT).to_dict())
        assert list(row) == ["seq", "row", *names]

    asyncio.run(run())


def test_duplicates_are_asked_once_and_have_a_row_each(fleet: Fleet) -> None:
    server = fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(["u2@a.test", "U2@A.test", "u3@a.test", " u2@a.test "])
        async with fleet.coordinator(), fleet.worker():
            await fleet.until(job)
        rows = sorted(await fleet.rows(job), key=lambda row: row["row"])
        assert [row["email"] for row in rows] == ["u2@a.test", "U2@A.test", "u3@a.test", " u2@a.test "]
        assert [row["status"] for row in rows] == ["VALID", "VALID", "MAILBOX_NOT_FOUND", "VALID"]
        asked = [local for session in server.sessions for local in session.recipients]
        assert sum(local.lower().startswith("u2@") for local in asked) == 1

    asyncio.run(run())


def test_the_same_key_gives_the_same_job_and_never_another_lists(fleet: Fleet) -> None:
    async def run() -> None:
        first = await fleet.submit(["a@b.test", "c@d.test"], key="k")
        assert await fleet.submit(["a@b.test", "c@d.test"], key="k") == first
        at_once = await asyncio.gather(*(fleet.submit(["x@y.test"], key="k2") for _ in range(4)))
        assert len(set(at_once)) == 1
        for other in (["a@b.test"], ["a@b.test", "c@d.test", "e@f.test"], ["a@b.tes", "tc@d.test"]):
            with pytest.raises(IdempotencyConflict):
                await fleet.submit(other, key="k")
        stranger = await fleet.jobs.submit(each(["e@f.test"]), owner="else", key="k")
        assert stranger.id != first
        assert len(fleet.postgres.rows("SELECT 1 FROM engine.job")) == 3

    asyncio.run(run())


def test_nobody_sees_the_jobs_of_others(fleet: Fleet) -> None:
    async def run() -> None:
        job = await fleet.submit(["a@b.test"])
        for ask in (fleet.jobs.get, fleet.jobs.cancel, fleet.jobs.pause, fleet.jobs.resume):
            with pytest.raises(JobNotFound):
                await ask(job, owner="else")
        with pytest.raises(JobNotFound):
            await anext(fleet.jobs.results(job, owner="else"))
        assert await fleet.jobs.list(owner="else", limit=10) == []
        assert (await fleet.jobs.get(job, owner=OWNER)).state is State.QUEUED

    asyncio.run(run())


def test_of_a_list_that_breaks_off_or_is_too_long_nothing_is_kept(fleet: Fleet) -> None:
    async def broken() -> AsyncIterator[str]:
        for n in range(5000):
            yield f"u{n}@a.test"
        raise ConnectionError("client gone")

    async def run() -> None:
        with pytest.raises(ConnectionError, match="client gone"):
            await fleet.jobs.submit(broken(), owner=OWNER, key="k")
        small = FleetJobs(fleet.postgres.conninfo, most=10)
        with pytest.raises(TooManyAddresses, match="10 addresses"):
            await small.submit(each(f"u{n}@a.test" for n in range(11)), owner=OWNER)
        assert fleet.postgres.rows("SELECT 1 FROM engine.job") == []
        assert fleet.postgres.rows("SELECT 1 FROM engine.address") == []
        assert await fleet.submit(["a@b.test"], key="k")  # the key was not used up

    asyncio.run(run())


def test_an_empty_list_is_a_job_that_is_done(fleet: Fleet) -> None:
    async def run() -> None:
        job = await fleet.jobs.get(await fleet.submit([]), owner=OWNER)
        assert (job.state, job.total, job.finished is not None) == (State.DONE, 0, True)
        assert await fleet.rows(job.id, follow=True) == []

    asyncio.run(run())


def test_jobs_are_listed_youngest_first_in_pages(fleet: Fleet) -> None:
    async def run() -> None:
        made = []
        for n in range(5):
            made.append(await fleet.submit([f"u{n}@a.test"]))
            await asyncio.sleep(0.002)  # ids of one millisecond have no order
        first = await fleet.jobs.list(owner=OWNER, limit=3)
        rest = await fleet.jobs.list(owner=OWNER, limit=3, before=first[-1].id)
        assert [job.id for job in [*first, *rest]] == made[::-1]

    asyncio.run(run())


def test_a_database_that_is_away_is_one_line(fleet: Fleet) -> None:
    async def run() -> None:
        jobs = FleetJobs("host=/nonexistent user=engine dbname=postgres")
        with pytest.raises(StorageBroken, match="the database cannot be used") as caught:
            await jobs.list(owner=OWNER, limit=1)
        assert "\n" not in str(caught.value)

    asyncio.run(run())


def test_results_are_followed_while_the_job_runs_until_it_is_over(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(40))
        async with fleet.coordinator(), fleet.worker():
            rows = await fleet.rows(job, follow=True)
        assert [row["seq"] for row in rows] == list(range(1, 41))

    asyncio.run(run())


def test_a_paused_job_asks_nothing_more_and_loses_nothing_when_it_goes_on(fleet: Fleet) -> None:
    server = fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(150))
        slow: dict[str, Any] = {"budget": {"rate": 1800, "connects": 0, "connections": 1, "daily": 0}}
        async with fleet.coordinator(), fleet.worker(manner=FEW, **slow):
            await fleet.until(job, lambda found: found.done >= 5)
            paused = await fleet.jobs.pause(job, owner=OWNER)
            assert paused.state is State.PAUSED
            await asyncio.sleep(1)  # the coordinator has told the node, and what was on the way is answered
            asked = sum(len(session.recipients) for session in server.sessions)
            assert asked < 100
            await asyncio.sleep(1)
            assert sum(len(session.recipients) for session in server.sessions) == asked
            assert (await fleet.jobs.get(job, owner=OWNER)).state is State.PAUSED
            await fleet.jobs.resume(job, owner=OWNER)
            done = await fleet.until(job)
        assert done.done == 150 == len(await fleet.rows(job))
        with pytest.raises(JobOver):
            await fleet.jobs.pause(job, owner=OWNER)
        with pytest.raises(JobOver):
            await fleet.jobs.resume(job, owner=OWNER)

    asyncio.run(run())


def test_a_cancelled_job_stops_keeps_what_it_knows_and_every_session_ends_in_quit(fleet: Fleet) -> None:
    server = fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(300))
        slow: dict[str, Any] = {"budget": {"rate": 1800, "connects": 0, "connections": 2, "daily": 0}}
        async with fleet.coordinator(), fleet.worker(manner=FEW, **slow):
            await fleet.until(job, lambda found: found.done >= 5)
            known = (await fleet.jobs.cancel(job, owner=OWNER)).done
            await asyncio.sleep(1)
            asked = sum(len(session.recipients) for session in server.sessions)
            await asyncio.sleep(1)
            assert sum(len(session.recipients) for session in server.sessions) == asked < 150
            after = await fleet.jobs.cancel(job, owner=OWNER)
        assert (after.state, after.done) == (State.CANCELLED, known)
        assert len(await fleet.rows(job)) == known
        assert (
            fleet.postgres.rows("SELECT 1 FROM engine.chunk WHERE state <> 'OVER' AND state <> 'WAITING'")
            == []
        )
        assert server.sessions
        assert all(session.quit for session in server.sessions)

    asyncio.run(run())


def test_a_short_job_does_not_wait_for_a_long_one(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")
    fleet.domain("b.test", "127.0.51.2")

    async def run() -> None:
        slow: dict[str, Any] = {"budget": {"rate": 3000, "connects": 0, "daily": 0}}
        long = await fleet.submit(f"u{n}@a.test" for n in range(3000))
        async with fleet.coordinator(), fleet.worker(**slow):
            await fleet.until(long, lambda found: found.done > 0)
            short = await fleet.submit(f"u{n}@b.test" for n in range(10))
            await fleet.until(short)
            assert (await fleet.jobs.get(long, owner=OWNER)).done < 1500
            await fleet.jobs.cancel(long, owner=OWNER)

    asyncio.run(run())


def test_progress_tells_how_fast_a_job_goes_and_how_long_it_will_take_until_it_is_over(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        slow: dict[str, Any] = {"budget": {"rate": 600, "connects": 0, "daily": 0}}
        job = await fleet.submit(f"u{n}@a.test" for n in range(1000))
        assert (await fleet.jobs.get(job, owner=OWNER)).eta_seconds is None
        async with fleet.coordinator(), fleet.worker(**slow):
            found = await fleet.until(job, lambda found: found.eta_seconds is not None)
            assert found.rate is not None
            assert found.eta_seconds is not None
            assert 0 < found.rate < 100
            assert abs(found.eta_seconds - (found.total - found.done) / found.rate) < 1e-6
            over = await fleet.jobs.cancel(job, owner=OWNER)
        assert over.eta_seconds is None

    asyncio.run(run())


def test_old_jobs_are_forgotten_with_all_their_rows(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(["u2@a.test"])
        async with fleet.coordinator(), fleet.worker():
            await fleet.until(job)
        young = await fleet.submit(["u4@a.test"])
        await asyncio.sleep(0.2)  # old by then: the next look but one is in an hour
        async with fleet.coordinator(pace=replace(PACE, keep_days=1e-6)):
            for _ in range(100):
                if len(await fleet.jobs.list(owner=OWNER, limit=9)) == 1:
                    break
                await asyncio.sleep(0.05)
        assert [kept.id for kept in await fleet.jobs.list(owner=OWNER, limit=9)] == [young]
        for table in ("address", "verdict", "chunk", "tally"):
            left = fleet.postgres.rows(f"SELECT DISTINCT job FROM engine.{table}")  # noqa: S608 - names above
            assert len(left) <= 1, table

    asyncio.run(run())
