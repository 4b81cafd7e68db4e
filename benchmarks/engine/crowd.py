"""700 nodes without validators: what the middle of the design bears."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from benchmarks.engine.field import Field
from engine import subjects
from engine.messages import Chunk, Report
from engine.operators import queues
from engine.together import end
from validator import Stage, Status, Verdict

CROWD, CROWD_ADDRESSES = 700, 100_000
FLEET_NEEDS = 700 * 3000 / 3600
"""Verdicts a second: 3,000 an hour a source address is what the default budgets let a mixed list have."""


def crowd(folder: Path) -> dict[str, Any]:
    """As many nodes as the design is for, without validators."""

    async def run(field: Field) -> dict[str, Any]:
        clients = [await nats.connect(field.nats.url, inbox_prefix=f"_INBOX_c{n}") for n in range(CROWD)]
        await field.jobs.migrate()
        job = await field.submit(CROWD_ADDRESSES)
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

    with Field(folder, 0, 0) as field, field.army(0):
        return asyncio.run(run(field))


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
