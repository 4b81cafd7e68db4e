"""A node's own callers and the fleet's work are asked for from one address: one account of its budgets."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import nkeys

from api.carrier import at_work
from api.config import WorkerTable
from engine.model import State
from tests.engine.world import OWNER, Fleet
from validator import Status, Validator

PAUSE = 0.2


def test_the_fleets_work_and_a_nodes_own_callers_are_held_to_one_pace(fleet: Fleet, tmp_path: Path) -> None:
    fleet.domain("a.test", "127.0.51.1")
    table = working(tmp_path, fleet.link.url)
    settings = fleet.settings(rate_limit=PAUSE)

    async def run() -> float:
        job = await fleet.submit(f"u{2 * n}@a.test" for n in range(10))
        async with fleet.coordinator(), Validator(settings) as validator:
            began = time.monotonic()
            async with at_work(table, settings, validator):
                own = await asyncio.gather(*(validator.check(f"u{2 * n}@a.test") for n in range(50, 60)))
                await fleet.until(job)
                took = time.monotonic() - began
            assert {verdict.status for verdict in own} == {Status.VALID}
            assert (await fleet.jobs.get(job, owner=OWNER)).state is State.DONE
            return took

    # Ten of the one and ten of the other: were there two accounts, half the time would do.
    assert asyncio.run(run()) >= 19 * PAUSE


def test_a_node_whose_nats_is_not_there_yet_serves_its_own_callers_and_begins_later(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.domain("a.test", "127.0.51.1")
    settings = fleet.settings()
    table = working(tmp_path, "nats://127.0.0.1:1")

    async def run() -> None:
        async with Validator(settings) as validator, at_work(table, settings, validator):
            assert (await validator.check("u2@a.test")).status is Status.VALID

    asyncio.run(run())


def working(folder: Path, nats: str) -> WorkerTable:
    seed = folder / "seed"
    seed.write_bytes(nkeys.encode_seed(b"n1".ljust(32), nkeys.PREFIX_BYTE_USER))
    return WorkerTable(node="n1", nats=nats, seed=seed, ca=seed)
