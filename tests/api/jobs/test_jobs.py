"""Jobs: every row one verdict, in an order that a reader can trust."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from api.jobs import (
    IdempotencyConflict,
    JobNotFound,
    JobOver,
    LocalJobs,
    State,
    StorageBroken,
    TooManyAddresses,
)
from api.jobs.forms import packed, unpacked
from tests.api.jobs.conftest import NET, all_rows, asked, ended, listed, opened, serve, settings_for
from tests.validator.servers import Mx, World
from validator import Settings, Stage, Status, Validator, Verdict

NOWHERE = Settings(helo="probe.test", resolver=("127.0.0.1", 9))


def users(count: int, domains: int = 1) -> list[str]:
    return [f"u{n}@d{n % domains}.test" for n in range(count)]


def test_every_row_of_a_list_gets_one_verdict(world: World, tmp_path: Path) -> None:
    serve(world, 5)
    addresses = [*users(300, 5), "no address"]

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            before = datetime.now(UTC)
            job = await jobs.submit(listed(addresses), owner="n8n")
            assert (job.total, job.done, job.owner) == (301, 0, "n8n")
            done = await ended(jobs, job)
            assert done.state is State.DONE
            assert done.done == done.total == sum(done.counts.values())
            assert done.finished is not None
            assert before <= done.created <= done.finished
            rows = await all_rows(jobs, job)
            assert [row["seq"] for row in rows] == list(range(1, 302))
            assert sorted(row["row"] for row in rows) == list(range(1, 302))
            assert {row["row"]: row["email"] for row in rows} == dict(enumerate(addresses, 1))
            for row in rows[:300]:
                if row["email"] != "no address":
                    assert row["valid"] == (int(row["email"][1:].partition("@")[0]) % 2 == 0)
            assert done.counts == {"VALID": 150, "MAILBOX_NOT_FOUND": 150, "INVALID_SYNTAX": 1}

    asyncio.run(go())


def test_duplicates_are_checked_once_and_get_a_row_each(world: World, tmp_path: Path) -> None:
    servers = serve(world, 1)
    world.domain("xn--mnchen-3ya.test", f"{NET}.9", Mx(users={"u2"}))
    addresses = ["u2@d0.test", "U2@D0.TEST", " u2@d0.test ", "u3@d0.test", "u2@münchen.test"]
    addresses += ["u2@xn--mnchen-3ya.test", "u2@d0.test"]

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(addresses), owner="n8n")
            assert (await ended(jobs, job)).done == len(addresses)
            rows = sorted(await all_rows(jobs, job), key=lambda row: int(row["row"]))
            assert [row["email"] for row in rows] == addresses
            assert [row["status"] for row in rows] == [
                *["VALID"] * 3,
                "MAILBOX_NOT_FOUND",
                *["VALID"] * 3,
            ]

    asyncio.run(go())
    assert sum(asked(servers).values()) == 2


def test_results_stream_in_seq_order_while_the_job_runs(world: World, tmp_path: Path) -> None:
    serve(world, 4, delay=0.005)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(users(400, 4)), owner="n8n")
            states, seqs = set(), []
            async for row in jobs.results(job.id, owner="n8n", follow=True):
                seqs.append(row["seq"])
                states.add((await jobs.get(job.id, owner="n8n")).state)
            assert seqs == list(range(1, 401))
            assert State.RUNNING in states

    asyncio.run(go())


def test_who_comes_back_with_the_last_seq_misses_nothing(world: World, tmp_path: Path) -> None:
    serve(world, 4, delay=0.004)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(users(300, 4)), owner="n8n")
            seen: list[int] = []
            visits = 0
            while len(seen) < 300:
                visits += 1
                rows = await all_rows(jobs, job, after=seen[-1] if seen else 0)
                seen += [row["seq"] for row in rows]
                await asyncio.sleep(0.01)
            assert visits > 3
            assert seen == list(range(1, 301))

    asyncio.run(go())


def test_the_same_key_with_the_same_list_is_the_same_job(world: World, tmp_path: Path) -> None:
    servers = serve(world, 1)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            calls = (jobs.submit(listed(users(20)), owner="n8n", key="k") for _ in range(5))
            found = await asyncio.gather(*calls)
            assert len({job.id for job in found}) == 1
            other = await jobs.submit(listed(users(20)), owner="crm", key="k")
            assert other.id != found[0].id
            with pytest.raises(IdempotencyConflict, match=found[0].id):
                await jobs.submit(listed(users(21)), owner="n8n", key="k")
            with pytest.raises(IdempotencyConflict):
                await jobs.submit(listed(["u1@d0.testu2@d0.test", ""]), owner="n8n", key="k")
            await ended(jobs, found[0])
            await ended(jobs, other)
        async with opened(tmp_path, settings_for(world)) as jobs:
            again = await jobs.submit(listed(users(20)), owner="n8n", key="k")
            assert (again.id, again.state) == (found[0].id, State.DONE)

    asyncio.run(go())
    assert set(asked(servers).values()) == {2}  # once for each owner


def test_an_owner_sees_only_their_own_jobs_the_youngest_first(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, NOWHERE) as jobs:
            mine = [await jobs.submit(listed(["bad"]), owner="a") for _ in range(5)]
            other = await jobs.submit(listed(["bad"]), owner="b")
            ids = [job.id for job in reversed(mine)]
            first = await jobs.list(owner="a", limit=3)
            assert [job.id for job in first] == ids[:3]
            rest = await jobs.list(owner="a", limit=3, before=first[-1].id)
            assert [job.id for job in rest] == ids[3:]
            for call in (jobs.get, jobs.cancel, jobs.pause, jobs.resume):
                with pytest.raises(JobNotFound):
                    await call(other.id, owner="a")
            with pytest.raises(JobNotFound):
                await anext(jobs.results(other.id, owner="a"))

    asyncio.run(go())


def test_greylisted_addresses_come_back_later(world: World, tmp_path: Path) -> None:
    seen: set[str] = set()

    def grey(local: str) -> str | None:
        if local in seen or local[:1] != "u":
            return "250 2.1.5 Ok" if local[:1] == "u" else None
        seen.add(local)
        return "451 4.7.1 Greylisted, please try again later"

    world.domain("d0.test", f"{NET}.1", Mx(rcpt=grey))

    async def go() -> None:
        async with opened(tmp_path, settings_for(world, greylist_delays=(0.3,))) as jobs:
            job = await ended(jobs, await jobs.submit(listed(users(30)), owner="n8n"))
            assert job.counts == {"VALID": 30}

    asyncio.run(go())


def test_cancel_stops_the_work_and_every_session_ends_in_quit(world: World, tmp_path: Path) -> None:
    servers = serve(world, 3, delay=0.01)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(users(3000, 3)), owner="n8n")
            async for row in jobs.results(job.id, owner="n8n", follow=True):
                if row["seq"] == 100:
                    break
            cancelled = await jobs.cancel(job.id, owner="n8n")
            before = sum(asked(servers).values())
            assert cancelled.state is State.CANCELLED
            assert cancelled.finished is not None
            rows = await all_rows(jobs, job, follow=True)
            async with asyncio.timeout(5):
                while any(server.open_now for server in servers):
                    await asyncio.sleep(0.02)
            # Only what was on its way to a server: a batch a session.
            count = sum(asked(servers).values())
            assert count - before <= 10 * sum(server.most_open for server in servers)
            assert await all_rows(jobs, job) == rows
            assert await jobs.cancel(job.id, owner="n8n") == cancelled
            await asyncio.sleep(0.3)
            assert sum(asked(servers).values()) == count
            with pytest.raises(JobOver):
                await jobs.resume(job.id, owner="n8n")

    asyncio.run(go())
    assert all(session.quit for server in servers for session in server.sessions)


def test_a_paused_job_rests_over_a_restart_and_resume_goes_on(world: World, tmp_path: Path) -> None:
    servers = serve(world, 2, delay=0.005)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            job = await jobs.submit(listed(users(600, 2)), owner="n8n")
            async for row in jobs.results(job.id, owner="n8n", follow=True):
                if row["seq"] == 50:
                    break
            await jobs.pause(job.id, owner="n8n")
            while any(server.open_now for server in servers):
                await asyncio.sleep(0.05)
            resting = await jobs.pause(job.id, owner="n8n")
            assert resting.state is State.PAUSED
            assert 50 <= resting.done < 600
        async with opened(tmp_path, settings_for(world)) as jobs:
            await asyncio.sleep(0.3)
            assert await jobs.get(job.id, owner="n8n") == resting
            assert (await jobs.resume(job.id, owner="n8n")).state is State.RUNNING
            assert (await ended(jobs, job)).state is State.DONE
            with pytest.raises(JobOver):
                await jobs.pause(job.id, owner="n8n")

    asyncio.run(go())
    times = asked(servers)
    assert len(times) == 600
    assert sum(times.values()) - 600 <= 10 * sum(server.most_open for server in servers)


def test_an_address_that_waits_for_a_greylist_is_not_asked_again_after_a_cancel(
    world: World, tmp_path: Path
) -> None:
    server = world.domain("d0.test", f"{NET}.1", Mx(rcpt=lambda _: "451 4.7.1 Greylisted, try again later"))

    async def go() -> None:
        async with opened(tmp_path, settings_for(world, greylist_delays=(0.5,))) as jobs:
            job = await jobs.submit(listed(users(10)), owner="n8n")
            while sum(asked([server]).values()) < 10 or server.open_now:
                await asyncio.sleep(0.01)
            await jobs.cancel(job.id, owner="n8n")
            await asyncio.sleep(1.0)

    asyncio.run(go())
    assert set(asked([server]).values()) == {1}


def test_a_short_job_does_not_wait_for_a_long_one(world: World, tmp_path: Path) -> None:
    serve(world, 1, delay=0.005)

    async def go() -> None:
        async with opened(tmp_path, settings_for(world)) as jobs:
            long = await jobs.submit(listed(users(3000)), owner="n8n")
            async for row in jobs.results(long.id, owner="n8n", follow=True):
                if row["seq"] == 100:
                    break
            behind = (await jobs.get(long.id, owner="n8n")).done
            short = await jobs.submit(listed(f"u{n}@d0.test" for n in range(5000, 5030)), owner="crm")
            assert (await ended(jobs, short)).state is State.DONE
            # It had its turns at the same operator: the other got no further than a few turns meanwhile.
            assert (await jobs.get(long.id, owner="n8n")).done - behind < 1500
            await jobs.cancel(long.id, owner="n8n")

    asyncio.run(go())


def test_a_running_job_tells_rate_rest_and_operators_in_cool_down(world: World, tmp_path: Path) -> None:
    serve(world, 1, delay=0.005)
    world.domain("slow.test", f"{NET}.8", Mx(banner="421 4.7.0 Too many requests, slow down"))

    async def go() -> None:
        async with opened(tmp_path, settings_for(world, patience=60.0)) as jobs:
            job = await jobs.submit(listed(["u0@slow.test", *users(500)]), owner="n8n")
            async for row in jobs.results(job.id, owner="n8n", follow=True):
                if row["seq"] == 200:
                    break
            now = await jobs.get(job.id, owner="n8n")
            assert now.state is State.RUNNING
            assert now.rate is not None
            assert now.eta_seconds == pytest.approx((now.total - now.done) / now.rate)
            assert now.cooling == ("slow.test",)
            await jobs.cancel(job.id, owner="n8n")

    asyncio.run(go())


def test_old_jobs_are_removed_and_younger_ones_stay(tmp_path: Path) -> None:
    times = [1_000_000.0]

    async def go() -> None:
        options = {"clock": lambda: times[0], "keep_days": 7.0}
        async with opened(tmp_path, NOWHERE, **options) as jobs:
            old = await jobs.submit(listed(["bad"] * 20_000), owner="a", key="k")
            await ended(jobs, old)
            times[0] += 6 * 86400
            young = await jobs.submit(listed(["bad"]), owner="a")
            await ended(jobs, young)
        size = (tmp_path / "jobs.db").stat().st_size
        times[0] += 1.5 * 86400
        async with opened(tmp_path, NOWHERE, **options) as jobs:
            async with asyncio.timeout(20):
                while (tmp_path / "jobs.db").stat().st_size > size / 2:
                    await asyncio.sleep(0.01)
            with pytest.raises(JobNotFound):
                await jobs.get(old.id, owner="a")
            assert len(await all_rows(jobs, young)) == 1
            assert (await jobs.submit(listed(["other"]), owner="a", key="k")).id != old.id

    asyncio.run(go())


def test_a_list_that_is_not_accepted_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> LocalJobs:
        raise ConnectionError("client gone")

    async def cut_off() -> object:
        for n in range(6000):
            yield f"u{n}@d0.test"
        await broken()

    async def endless() -> object:
        while True:
            yield "u@d0.test"
            await asyncio.sleep(0.001)

    async def go() -> None:
        async with opened(tmp_path, NOWHERE, most_addresses=10_000) as jobs:
            with pytest.raises(TooManyAddresses, match="10,000"):
                await jobs.submit(listed(f"u{n}@d0.test" for n in range(10_001)), owner="a")
            with pytest.raises(ConnectionError):
                await jobs.submit(cut_off(), owner="a", key="k")  # type: ignore[arg-type]
            hanging = asyncio.create_task(jobs.submit(endless(), owner="a"))  # type: ignore[arg-type]
            await asyncio.sleep(0.1)
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
            assert await jobs.list(owner="a", limit=9) == []
            assert (await jobs.submit(listed(["bad"]), owner="a", key="k")).total == 1

    asyncio.run(go())


def test_an_empty_list_is_a_job_that_is_done(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, NOWHERE) as jobs:
            job = await jobs.submit(listed([]), owner="a")
            assert (job.state, job.total) == (State.DONE, 0)
            assert await all_rows(jobs, job, follow=True) == []

    asyncio.run(go())


@pytest.mark.parametrize(
    "address",
    [
        "",
        "\x00",
        "a\nb@d0.test",
        "\ud800@d0.test",
        "j\udcf6rg@d0.test",
        "x" * 70_000,
        "😀",
        "@",
        "a@b@c",
        "\u2028@",
    ],
)
def test_hostile_rows_get_a_verdict_that_every_json_reader_takes(address: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, NOWHERE) as jobs:
            job = await ended(jobs, await jobs.submit(listed([address, "also bad"]), owner="a"))
            assert job.counts == {"INVALID_SYNTAX": 2}
            for row in await all_rows(jobs, job):
                str(row).encode("utf-8")  # an unpaired surrogate would end the stream here

    asyncio.run(go())


def test_one_process_at_a_time_works_on_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.jobs.schema.claim.__defaults__", (0.2,))

    async def go() -> None:
        async with opened(tmp_path, NOWHERE):
            with pytest.raises(StorageBroken, match="another process"):
                async with Validator(NOWHERE) as validator, LocalJobs(tmp_path / "jobs.db", validator):
                    pass
        async with opened(tmp_path, NOWHERE):
            pass

    asyncio.run(go())


def test_a_job_store_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"no database, but rather long" * 100)

    async def go() -> None:
        with pytest.raises(StorageBroken, match=r"jobs\.db.*not a database"):
            async with opened(tmp_path, NOWHERE):
                pass

    asyncio.run(go())


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict("a@b.c", Status.INVALID_SYNTAX, "form", "No.", 0.0, Stage.SYNTAX),
        Verdict(
            "a@b.c", Status.VALID, "accepted", "Yes.", 0.95, Stage.RCPT, 250, "2.1.5", role=True, attempts=1
        ),
    ],
)
def test_a_row_says_all_that_the_verdict_says(verdict: Verdict) -> None:
    assert {**unpacked(packed(verdict)), "email": "a@b.c"} == verdict.to_dict()
    assert list(unpacked(packed(verdict))) == list(verdict.to_dict())


def test_every_status_of_the_validator_can_be_counted() -> None:
    assert all(a.value == a.name for a in Status)
    assert all(a.value == a.name for a in State)
    assert [a.over for a, _ in pairwise(State)] == [False, False, False, True, True]
