"""Short lists whose caller waits: before all others, without patience; and the orchestrator's `/validate`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from api.checking import LATE, verdicts
from api.fleet import OWNER as CALLERS
from api.fleet import FleetChecker
from engine.model import NobodyAtWork, State
from tests.engine.world import OWNER, Fleet, each
from tests.validator.servers import Mx
from validator import Status


def slow() -> Mx:
    return Mx(users={f"u{n}" for n in range(5000)}, delay=0.05)


def test_a_short_list_whose_caller_waits_goes_before_a_long_one_that_fills_every_node(fleet: Fleet) -> None:
    fleet.domain("long.test", "127.0.51.1", slow())
    fleet.domain("short.test", "127.0.51.2")

    async def run() -> None:
        async with fleet.coordinator(), fleet.worker("n1"), fleet.worker("n2"):
            long = await fleet.submit(f"u{n}@long.test" for n in range(3000))
            await fleet.until(long, lambda job: job.done > 0)
            job = await fleet.jobs.submit(each(["u2@short.test", "u3@short.test"]), owner=OWNER, express=True)
            done = await fleet.until(job.id, seconds=10)
            assert done.counts == {"VALID": 1, "MAILBOX_NOT_FOUND": 1}
            assert (await fleet.jobs.get(long, owner=OWNER)).state is State.RUNNING

    asyncio.run(run())


def test_nobody_who_waits_is_made_to_wait_for_a_greylist(fleet: Fleet) -> None:
    fleet.domain("grey.test", "127.0.51.1", Mx(unknown="451 4.7.1 Greylisted, try again"))

    async def run() -> None:
        async with fleet.coordinator(), fleet.worker(greylist_delays=(600.0,)):
            job = await fleet.jobs.submit(each(["u2@grey.test"]), owner=OWNER, express=True)
            assert (await fleet.until(job.id, seconds=10)).counts == {"GREYLISTED": 1}

    asyncio.run(run())


def test_calls_beside_each_other_are_one_job_and_each_has_its_own_answers(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(fleet.coordinator())
            await stack.enter_async_context(fleet.worker())
            checker = FleetChecker(fleet.jobs)
            stack.push_async_callback(checker.close)
            await _nodes(fleet)
            calls = [
                _call(checker, ["u2@a.test", "u3@a.test", "u2@a.test"]),
                _call(checker, ["u4@a.test", "x"]),
            ]
            first, second = await asyncio.gather(*calls)
            assert first == {"u2@a.test": Status.VALID, "u3@a.test": Status.MAILBOX_NOT_FOUND}
            assert second == {"u4@a.test": Status.VALID, "x": Status.INVALID_SYNTAX}
            (job,) = await fleet.jobs.list(owner=CALLERS, limit=10)
            assert (job.total, job.state) == (4, State.DONE)

    asyncio.run(run())


def test_what_is_not_known_in_time_is_said_to_be_so_and_is_not_asked_for_any_more(fleet: Fleet) -> None:
    fleet.domain("slow.test", "127.0.51.1", Mx(users={"u2"}, delay=30.0))

    async def run() -> None:
        async with fleet.coordinator(), fleet.worker():
            checker = FleetChecker(fleet.jobs)
            await _nodes(fleet)
            found = [
                verdict
                async for verdict in verdicts(checker, ["u2@slow.test"], in_hand=10, pause=0, seconds=1.5)
            ]
            assert [(verdict.status, verdict.reason) for verdict in found] == [(Status.UNKNOWN, LATE)]
            async with asyncio.timeout(10):
                while [job.state for job in await fleet.jobs.list(owner=CALLERS, limit=1)] != [
                    State.CANCELLED
                ]:
                    await asyncio.sleep(0.05)
            await checker.close()

    asyncio.run(run())


def test_without_a_node_the_caller_is_told_at_once(fleet: Fleet) -> None:
    async def run() -> None:
        with pytest.raises(NobodyAtWork, match="no node is at work"):
            await FleetChecker(fleet.jobs).check("u2@a.test")

    asyncio.run(run())


async def _call(checker: FleetChecker, addresses: list[str]) -> dict[str, Status]:
    found = verdicts(checker, addresses, in_hand=100, pause=0, seconds=20)
    return {verdict.email: verdict.status async for verdict in found}


async def _nodes(fleet: Fleet) -> None:
    """Until a node was heard of."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await fleet.jobs.need_nodes()
            except NobodyAtWork:
                await asyncio.sleep(0.05)
