"""Whatever fails in mid-job, every address has exactly one verdict in the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.jobs import FleetJobs
from engine.link import Link
from engine.model import State
from engine.together import first
from tests.engine.network import OURS, Network
from tests.engine.processes import Army
from tests.engine.servers import Nats, Postgres
from tests.engine.world import OWNER, each
from tests.validator.servers import Mx, World

DOMAINS, USERS = 4, 45
RATE = 180.0
"""A minute, for an operator from a node: a job takes some seconds, so that faults meet it half way."""

LASTS = {"cut off": 2.5, "cut off for long": 7.0}
"""Seconds: longer than JetStream waits for a sign of life, and longer than a node waits for a mail server."""

NODE = st.sampled_from(["n1", "n2", "n3"])
FAULT = st.one_of(
    st.tuples(st.just("kill"), NODE),
    st.tuples(st.just("freeze"), NODE),
    st.tuples(st.just("cut off"), NODE),
    st.tuples(st.just("kill"), st.just("coordinator")),
    st.tuples(st.just("nats"), st.sampled_from(["crash", "stop"])),
    st.tuples(st.just("postgres"), st.sampled_from(["immediate", "fast"])),
)


class Field:
    """Everything that can fail."""

    def __init__(self, folder: Path) -> None:
        self.postgres = Postgres(folder / "postgres")
        self.nats = Nats(folder / "nats", listen=OURS)
        self.network = Network(["n1", "n2", "n3"], hosts=DOMAINS)
        self.world = World(OURS)
        self.folder = folder
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Field:
        for part in (self.network, self.world):
            self._stack.enter_context(part)
        for server in (self.postgres, self.nats):
            server.start()
            self._stack.callback(server.stop)
        for number, address in enumerate(self.network.hosts):
            users = {f"u{n}" for n in range(0, USERS, 2)}
            self.world.domain(f"d{number}.test", address, Mx(users=users))
        link = Link(self.nats.url)
        self.army = Army(
            self.folder / "army", self.postgres.conninfo, link, self.world, rate=RATE, network=self.network
        )
        self._stack.enter_context(self.army)
        self.jobs = FleetJobs(self.postgres.conninfo)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def story(self) -> str:
        """What a person wants to read when a job does not end."""
        open_chunks = self.postgres.rows("SELECT * FROM engine.chunk WHERE state <> 'OVER'")
        return "\n".join(
            [*(f"{name}: {self.army.log(name)[-600:]}" for name in self.army.alive()), str(open_chunks)]
        )

    def strike(self, kind: str, what: str) -> None:
        """One fault; what was stopped runs again afterwards."""
        if kind == "kill":
            self.army.kill(what)
            self.army.start(what)
        elif kind == "freeze":
            self.army.freeze(what, 2.5)  # longer than JetStream waits for a sign of life
        elif kind in LASTS:
            self.network.cut(what)
            time.sleep(LASTS[kind])
            self.network.mend(what)
        elif kind == "nats":
            self.nats.stop(signal.SIGKILL if what == "crash" else signal.SIGTERM)
            self.nats.start()
        else:
            self.postgres.stop(what)
            self.postgres.start()


@pytest.fixture(scope="module")
def field(folder: Path) -> Iterator[Field]:
    with Field(folder / "field") as made:
        yield made


def judge(field: Field, users: int, strikes: list[tuple[float, tuple[str, str]]]) -> list[int]:
    """Strike at a job of so many users of each domain; what was done before each strike."""
    addresses = [f"u{n}@d{d}.test" for n in range(users) for d in range(DOMAINS)]
    done = []

    async def until_done(job: str) -> None:
        until = time.monotonic() + 60
        while (await field.jobs.get(job, owner=OWNER)).state is not State.DONE:
            assert time.monotonic() < until, field.story()
            await asyncio.sleep(0.1)

    async def run() -> None:
        await field.jobs.migrate()
        job = (await field.jobs.submit(each(addresses), owner=OWNER)).id
        for pause, (kind, what) in strikes:
            await asyncio.sleep(pause)
            done.append((await field.jobs.get(job, owner=OWNER)).done)
            await asyncio.to_thread(field.strike, kind, what)
        await until_done(job)
        rows = [row async for row in field.jobs.results(job, owner=OWNER)]
        found = await field.jobs.get(job, owner=OWNER)
        assert sorted(row["row"] for row in rows) == list(range(1, len(addresses) + 1))
        assert [row["seq"] for row in rows] == list(range(1, len(addresses) + 1))
        assert all(row["email"] == addresses[row["row"] - 1] for row in rows)
        for row in rows:
            exists = int(row["email"][1:].partition("@")[0]) % 2 == 0
            assert row["status"] == ("VALID" if exists else "MAILBOX_NOT_FOUND"), row
        assert found.done == sum(found.counts.values()) == len(addresses)

    asyncio.run(run())
    return done


def test_after_one_of_each_fault_every_address_has_exactly_one_verdict(field: Field) -> None:
    done = judge(
        field,
        USERS,
        [
            (1.0, ("kill", "n1")),
            (0.0, ("nats", "crash")),
            (0.5, ("postgres", "immediate")),
            (0.5, ("kill", "coordinator")),
            (0.0, ("freeze", "n2")),
            (0.0, ("cut off", "n3")),
        ],
    )
    assert done[-1] < USERS * DOMAINS, "the last fault came too late to mean anything"


def test_a_node_cut_off_from_everything_does_not_say_that_nobody_answers(field: Field) -> None:
    for name in ("n2", "n3"):  # else they would have answered in time
        field.army.kill(name)
    try:
        done = judge(field, USERS, [(1.5, ("cut off for long", "n1"))])
    finally:
        for name in ("n2", "n3"):
            field.army.start(name)
    assert done[-1] < USERS * DOMAINS


@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(strikes=st.lists(st.tuples(st.floats(0, 1.5), FAULT), min_size=1, max_size=3))
def test_after_any_faults_at_any_time_every_address_has_exactly_one_verdict(
    field: Field, strikes: list[tuple[float, tuple[str, str]]]
) -> None:
    judge(field, 20, strikes)


def test_a_task_that_overhears_a_cancellation_is_cancelled_again() -> None:
    """As `asyncio.wait_for` lets the NATS client do, when the answer comes with the cancellation."""

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("gone")

    async def run() -> None:
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError, match="gone"):
                await first(deaf(), fails())

    asyncio.run(run())


def test_coordinator_and_nodes_end_in_good_order_when_they_are_told_to(field: Field) -> None:
    for name in ("coordinator", "n1"):
        assert field.army.stop(name) == 0
        assert "Traceback" not in field.army.log(name)
        field.army.start(name)
