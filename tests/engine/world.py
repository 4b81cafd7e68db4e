"""A small fleet in one process: coordinator, workers, real NATS and PostgreSQL, scripted mail servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import nats as nats_client
import psycopg
from nats.js.errors import NotFoundError

from engine import subjects
from engine.coordinator import Coordinator
from engine.database import migrate
from engine.jobs import FleetJobs
from engine.link import Link
from engine.manner import Manner
from engine.model import Job, State
from engine.pace import Pace
from engine.term import Routes
from engine.worker import Worker
from tests.engine.servers import Nats, Postgres
from tests.validator.conftest import settings_for
from tests.validator.servers import Mx, World
from validator import Settings
from validator.operators import default_operators

OWNER = "tests"
PACE = Pace(ack_wait=2.0, poll=0.1, sweep=1.0, alive=3.0)
MANNER = Manner(progress=0.6, heartbeat=0.5, pull=5.0, farewell=5.0)

LIFTED = {"connections": 0, "recipients": 0, "rate": 0, "connects": 0, "daily": 0}
NAMED = default_operators({"operator": [{"name": name, **LIFTED} for name in ("default", "google")]})
"""The shipped names without their limits."""


class Fleet:
    """What a test needs of it."""

    def __init__(self, postgres: Postgres, nats: Nats) -> None:
        self.postgres = postgres
        self.nats = nats
        self.link = Link(nats.url)
        self.jobs = FleetJobs(postgres.conninfo, poll=0.05)
        self.world = World()

    def __enter__(self) -> Self:
        asyncio.run(migrate(self.postgres.conninfo))
        tables = "job, address, verdict, tally, chunk, route, node, trouble"
        self.postgres.rows(f"TRUNCATE engine.{tables.replace(', ', ', engine.')}")
        asyncio.run(self._empty())
        self.world.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.world.__exit__()

    async def _empty(self) -> None:
        client = await nats_client.connect(self.nats.url)
        for stream in (subjects.WORK, subjects.VERDICTS):
            with contextlib.suppress(NotFoundError):
                await client.jetstream().delete_stream(stream)
        await client.close()

    def domain(self, name: str, address: str, server: Mx | None = None, *, host: str = "") -> Mx:
        """A domain with one mail server; `host` names the exchanger, and so its operator."""
        made = server or Mx(users={f"u{number}" for number in range(0, 100_000, 2)})
        self.world.zone.mail(name, (10, host or f"mx.{name}", address))
        return self.world.mx(address, made)

    def settings(self, **changes: Any) -> Settings:
        """A validator's settings that reach the mail servers."""
        return settings_for(self.world, **changes)

    @asynccontextmanager
    async def coordinator(
        self, *, pace: Pace = PACE, routes: Routes | None = None, link: Link | None = None
    ) -> AsyncIterator[None]:
        """A coordinator at work."""
        it = Coordinator(self.postgres.conninfo, link or self.link, pace=pace, routes=routes)
        async with _running(it.run()):
            yield

    @asynccontextmanager
    async def worker(
        self, node: str = "n1", *, manner: Manner = MANNER, link: Link | None = None, **changes: Any
    ) -> AsyncIterator[asyncio.Event]:
        """A node at work; set the event to stop it in good order."""
        stop = asyncio.Event()
        it = Worker(node, link or self.link, self.settings(**changes), manner=manner)
        async with _running(it.run(stop)):
            yield stop

    async def submit(self, addresses: Iterable[str], *, key: str | None = None) -> str:
        """A job's id."""
        return (await self.jobs.submit(each(addresses), owner=OWNER, key=key)).id

    async def until(
        self,
        job: str,
        right: Callable[[Job], bool] = lambda job: job.state is State.DONE,
        seconds: float = 30,
    ) -> Job:
        """Wait for a job."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(psycopg.Error):
                    found = await self.jobs.get(job, owner=OWNER)
                    if right(found):
                        return found
                await asyncio.sleep(0.05)

    async def rows(self, job: str, **arguments: Any) -> list[dict[str, Any]]:
        """All results known."""
        return [row async for row in self.jobs.results(job, owner=OWNER, **arguments)]


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def each(addresses: Iterable[str]) -> AsyncIterator[str]:
    """As the API hands a list over."""
    for address in addresses:
        yield address
