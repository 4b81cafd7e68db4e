"""Servers, mail servers and nodes behind a network that can be cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from engine.jobs import FleetJobs
from engine.link import Link
from engine.model import Job
from tests.engine.network import OURS, Network
from tests.engine.processes import Army
from tests.engine.servers import Nats, Postgres
from tests.engine.world import each
from tests.validator.servers import Mx, World

OWNER = "benchmark"
NAMED = {
    "google": "aspmx.l.google.com",
    "microsoft": "x.mail.protection.outlook.com",
    "yahoo": "mta5.yahoodns.net",
}
OTHERS = 9
OPERATORS = len(NAMED) + OTHERS
ADDRESSES = 20_000

REPLY, GREETING = 0.1, 0.3
"""Seconds that a mail server takes for a reply and for its first: some of what one across a sea takes."""

TIMES = ("[pace]\nack_wait = 20\n", "[manner]\nprogress = 6\nheartbeat = 1\n", "")


class Field:
    """Everything but the nodes, which come with `army`.

    Args:
        folder: For data and logs.
        nodes: How many hosts there are for nodes.
        rate: Recipients a minute that each of the 12 operators bears from a node: what a node can do at most.
    """

    def __init__(self, folder: Path, nodes: int, rate: float) -> None:
        self._folder = folder
        self._rate = rate
        self._stack = ExitStack()
        self.network = Network([f"n{n}" for n in range(1, nodes + 1)], hosts=OPERATORS)
        self.postgres = Postgres(folder / "postgres", fsync=True)
        self.nats = Nats(folder / "nats", listen=OURS)
        self.world = World(OURS)
        self.jobs = FleetJobs(self.postgres.conninfo)
        self.domains = [*(f"{name}.test" for name in NAMED), *(f"other{n}.test" for n in range(OTHERS))]

    def __enter__(self) -> Self:
        for part in (self.network, self.world):
            self._stack.enter_context(part)
        for server in (self.postgres, self.nats):
            server.start()
            self._stack.callback(server.stop)
        names = [*NAMED.values(), *(f"mx.other{n}.test" for n in range(OTHERS))]
        for domain, name, address in zip(self.domains, names, self.network.hosts, strict=True):
            self.world.zone.mail(domain, (10, name, address))
            users = {f"u{n}" for n in range(0, ADDRESSES, 2)}
            self.world.mx(address, Mx(users=users, delay=REPLY, banner_delay=GREETING))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def army(self, nodes: int) -> Army:
        """The coordinator and so many nodes, not yet started."""
        return Army(
            self._folder / "army",
            self.postgres.conninfo,
            Link(self.nats.url),
            self.world,
            nodes=nodes,
            rate=self._rate,
            operators=list(NAMED),
            network=self.network,
            times=TIMES,
        )

    async def awake(self, nodes: int) -> None:
        """Wait until the coordinator has heard of so many nodes."""
        await self.jobs.migrate()
        self.postgres.rows("DELETE FROM engine.node")
        while len(self.postgres.rows("SELECT 1 FROM engine.node")) < nodes:
            await asyncio.sleep(0.1)

    async def submit(self, count: int = ADDRESSES) -> str:
        """A list of every operator alike, every other address of which exists; the job's id."""
        names = self.domains
        addresses = (f"u{n}@{names[n % len(names)]}" for n in range(count))
        return (await self.jobs.submit(each(addresses), owner=OWNER)).id

    async def until(self, job: str, right: Callable[[Job], bool], seconds: float = 900) -> float:
        """Wait for a job; the time when it was so."""
        async with asyncio.timeout(seconds):
            while not right(await self.jobs.get(job, owner=OWNER)):
                await asyncio.sleep(0.1)
        return time.monotonic()
