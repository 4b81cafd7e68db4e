"""The engine's promises at full size, on real servers on loopback: `python -m benchmarks.engine WHAT...`.

    accept   1,000,000 addresses into PostgreSQL: seconds, and what the accepting process grows by
    scale    20,000 addresses over 1 node, then over 3: how many times as fast
    faults   20,000 addresses over 3 nodes with one killed, one cut off for 60 s, NATS and PostgreSQL
             restarted in mid-job: verdicts an address
    crowd    700 connections that each ask for work of every queue: verdicts a second through NATS, the
             coordinator and PostgreSQL, with nothing else to do

Each prints one JSON line; the exit status is 1 if a promise was missed. Nodes are held
back by their budgets, as in a fleet, not by the processor that all of them share here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from engine import subjects
from engine.jobs import FleetJobs
from engine.link import Link
from engine.messages import Chunk, Report
from engine.model import Job
from engine.operators import queues
from engine.together import end
from tests.engine.processes import Army
from tests.engine.servers import Nats, Postgres, Proxy
from tests.engine.world import each
from tests.validator.servers import Mx, World
from validator import Stage, Status, Verdict

NAMED = {
    "google": "aspmx.l.google.com",
    "microsoft": "x.mail.protection.outlook.com",
    "yahoo": "mta5.yahoodns.net",
}
OTHERS = 9
ADDRESSES = 20_000
RATE = 900.0
"""Recipients a minute that an operator bears from a node: with 12 operators 180 addresses a second a node."""

TIMES = ("[pace]\nack_wait = 20\n", "[manner]\nprogress = 6\nheartbeat = 1\n")
MEMORY_MB = 30.0


def main() -> None:
    """Run what is named, or everything."""
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "accept": accept,
        "scale": scale,
        "faults": faults,
        "crowd": crowd,
    }
    kept = True
    for name in sys.argv[1:] or list(parts):
        with tempfile.TemporaryDirectory(prefix="engine-") as text:
            folder = Path(text)
            folder.chmod(0o755)  # PostgreSQL runs as another user
            found = parts[name](folder)
        print(json.dumps({"what": name, **found}), flush=True)
        kept = kept and bool(found["kept"])
    sys.exit(not kept)


def accept(folder: Path) -> dict[str, Any]:
    """A million addresses of 50,000 domains, every tenth a duplicate."""
    postgres = Postgres(folder / "postgres", fsync=True)
    postgres.start()
    grown: list[float] = []

    async def addresses(count: int) -> AsyncIterator[str]:
        first = 0.0
        for n in range(count):
            if n % 50_000 == 0:
                grown.append(resident() - first)
                first = first or grown.pop()
            yield f"user{n - n % 10 if n % 10 == 9 else n}@domain{n % 50_000}.example"

    async def run() -> dict[str, Any]:
        jobs = FleetJobs(postgres.conninfo)
        await jobs.migrate()
        await jobs.submit(each(["warm@up.example"]), owner="benchmark")
        began, cpu = time.monotonic(), time.process_time()
        job = await jobs.submit(addresses(1_000_000), owner="benchmark")
        seconds = time.monotonic() - began
        size = postgres.rows("SELECT pg_total_relation_size('engine.address')")[0][0]
        return {
            "addresses": job.total,
            "seconds": round(seconds, 1),
            "own_processor_seconds": round(time.process_time() - cpu, 1),
            "grown_mb": round(max(grown), 1),
            "table_mb": round(size / 1e6),
            "load": os.getloadavg()[0],
            "kept": seconds < 60 and max(grown) < MEMORY_MB,
        }

    try:
        return asyncio.run(run())
    finally:
        postgres.stop()


class Field:
    """Servers, mail servers and a number of nodes."""

    def __init__(self, folder: Path, nodes: int, *, cut_off: str = "") -> None:
        self.stack = ExitStack()
        self.postgres = Postgres(folder / "postgres", fsync=True)
        self.nats = Nats(folder / "nats")
        self.postgres.start()
        self.stack.callback(self.postgres.stop)
        self.nats.start()
        self.stack.callback(self.nats.stop)
        world = self.stack.enter_context(World())
        users = {f"u{n}" for n in range(0, ADDRESSES, 2)}
        self.hosts = {**NAMED, **{f"other{n}": f"mx.other{n}.test" for n in range(OTHERS)}}
        for number, (name, host) in enumerate(self.hosts.items()):
            address = f"127.0.53.{number + 1}"
            world.zone.mail(f"{name}.test", (10, host, address))
            world.mx(address, Mx(users=users))
        self.proxy = self.stack.enter_context(Proxy(self.nats.port))
        link = Link(self.nats.url)
        links = {cut_off: Link(f"nats://127.0.0.1:{self.proxy.port}")} if cut_off else {}
        self.army = Army(
            folder / "army",
            self.postgres.conninfo,
            link,
            world,
            nodes=nodes,
            rate=RATE,
            operators=list(NAMED),
            links=links,
            times=TIMES,
        )
        self.jobs = FleetJobs(self.postgres.conninfo)

    async def begin(self, count: int = ADDRESSES) -> str:
        """Submit the list to a fleet that is awake; the job's id."""
        await self.jobs.migrate()
        self.stack.enter_context(self.army)
        while len(self.postgres.rows("SELECT 1 FROM engine.node")) < len(self.army.nodes):
            await asyncio.sleep(0.2)
        names = list(self.hosts)
        addresses = (f"u{n}@{names[n % len(names)]}.test" for n in range(count))
        return (await self.jobs.submit(each(addresses), owner="benchmark")).id

    async def until(self, job: str, right: Callable[[Job], bool], seconds: float = 600) -> float:
        """Wait for a job; the time when it was so."""
        async with asyncio.timeout(seconds):
            while not right(await self.jobs.get(job, owner="benchmark")):
                await asyncio.sleep(0.1)
        return time.monotonic()


def scale(folder: Path) -> dict[str, Any]:
    """The same list over one node and over three."""

    def run(nodes: int) -> float:
        field = Field(folder / str(nodes), nodes)

        async def work() -> float:
            job = await field.begin()
            began = time.monotonic()
            return await field.until(job, lambda job: job.state.over) - began

        with field.stack:
            return asyncio.run(work())

    seconds = {nodes: round(run(nodes), 1) for nodes in (1, 3)}
    times = seconds[1] / seconds[3]
    return {
        "addresses": ADDRESSES,
        "seconds_1_node": seconds[1],
        "seconds_3_nodes": seconds[3],
        "times": round(times, 2),
        "load": os.getloadavg()[0],
        "kept": times >= 2.7,
    }


def faults(folder: Path) -> dict[str, Any]:
    """One job, one of each fault."""
    field = Field(folder, 3, cut_off="n2")
    done: dict[str, int] = {}

    async def run() -> dict[str, Any]:
        job = await field.begin()
        began = time.monotonic()

        async def now(name: str) -> None:
            done[name] = (await field.jobs.get(job, owner="benchmark")).done

        await field.until(job, lambda job: job.done > ADDRESSES // 20)
        await now("node cut off")
        field.proxy.swallows = True
        cut = time.monotonic()
        await asyncio.sleep(5)
        await now("node killed")
        field.army.kill("n1")
        await asyncio.sleep(5)
        field.army.start("n1")
        await asyncio.sleep(5)
        await now("NATS killed and started")
        field.nats.stop(signal.SIGKILL)
        await asyncio.sleep(2)
        field.nats.start()
        await asyncio.sleep(8)
        await now("PostgreSQL killed and started")
        field.postgres.stop("immediate")
        await asyncio.sleep(2)
        field.postgres.start()
        await asyncio.sleep(max(0.0, 60 - (time.monotonic() - cut)))
        await now("node back")
        field.proxy.swallows = False
        seconds = await field.until(job, lambda job: job.state.over) - began
        places = [row["row"] async for row in field.jobs.results(job, owner="benchmark")]
        right = await _right(field, job)
        return {
            "addresses": ADDRESSES,
            "seconds": round(seconds, 1),
            "done_at": done,
            "verdicts": len(places),
            "addresses_with_one": len(set(places)),
            "right": right,
            "load": os.getloadavg()[0],
            "kept": sorted(places) == list(range(1, ADDRESSES + 1)) and right == ADDRESSES,
        }

    with field.stack:
        return asyncio.run(run())


CROWD, CROWD_ADDRESSES = 700, 100_000
FLEET_NEEDS = 700 * 3000 / 3600
"""Verdicts a second: 3,000 an hour a source address is what the default budgets let a mixed list have."""


def crowd(folder: Path) -> dict[str, Any]:
    """As many nodes as the design is for, without validators."""
    field = Field(folder, 0)

    async def run() -> dict[str, Any]:
        clients = [await nats.connect(field.nats.url, inbox_prefix=f"_INBOX_c{n}") for n in range(CROWD)]
        job = await field.begin(CROWD_ADDRESSES)
        await asyncio.sleep(3)  # until the coordinator has made the streams
        await field.until(job, lambda job: job.state == "RUNNING")
        began = time.monotonic()
        tasks = [
            asyncio.create_task(_pretend(client, f"c{n}", queue))
            for n, client in enumerate(clients)
            for queue in queues()
        ]
        seconds = await field.until(job, lambda job: job.state.over) - began
        info = await clients[0].jetstream().consumer_info("WORK", "google")
        await end(tasks)
        await asyncio.gather(*(client.close() for client in clients))
        rate = CROWD_ADDRESSES / seconds
        return {
            "nodes": CROWD,
            "standing_questions": len(tasks),
            "waiting_on_google": info.num_waiting,
            "addresses": CROWD_ADDRESSES,
            "verdicts_a_second": round(rate),
            "needed_by_700_nodes": round(FLEET_NEEDS),
            "load": os.getloadavg()[0],
            "kept": rate > FLEET_NEEDS,
        }

    with field.stack:
        return asyncio.run(run())


async def _pretend(client: Client, node: str, queue: str) -> None:
    """A node that knows every answer."""
    jetstream = client.jetstream(timeout=60)
    subscription = await jetstream.pull_subscribe_bind(consumer=queue, stream=subjects.WORK)
    known = Verdict("", Status.VALID, "accepted", "", 1.0, Stage.RCPT).to_dict()
    while True:
        try:
            (message,) = await subscription.fetch(1, timeout=300)
        except TimeoutError:
            continue
        chunk = Chunk.decode(message.data)
        verdicts = tuple((place, {**known, "email": address}) for place, address in chunk.rows)
        report = Report(chunk.job, chunk.number, chunk.turn, verdicts, over=True)
        await jetstream.publish(subjects.verdict(node), report.encode())
        await message.ack()


async def _right(field: Field, job: str) -> int:
    """Verdicts that agree with the mail servers: even users exist."""
    return sum(
        [
            row["status"] == ("MAILBOX_NOT_FOUND" if int(row["email"][1:].partition("@")[0]) % 2 else "VALID")
            async for row in field.jobs.results(job, owner="benchmark")
        ]
    )


def resident() -> float:
    """Megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


if __name__ == "__main__":
    main()
