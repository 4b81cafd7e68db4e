"""Fill the stream of work to its brim, or make room again: runs on the orchestrator, by the release's Python.

filler.py full      bounds the stream by little more than it holds, and puts something beside the work into it
filler.py free      takes that out, and gives the stream its bound back
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tomllib
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import APIError

from engine import subjects
from engine.link import Link, connect
from engine.pace import Pace

ROOM = 64 << 10
PIECE = 4 << 10
QUEUE = "nobody"
"""That no node asks for."""


async def full(jetstream: JetStreamContext) -> None:
    """Leave no room."""
    info = await jetstream.stream_info(subjects.WORK)
    await jetstream.update_stream(info.config.evolve(max_bytes=info.state.bytes + ROOM))
    with contextlib.suppress(APIError):  # which says that it is full
        while True:
            await jetstream.publish(subjects.work(QUEUE, "filler"), bytes(PIECE))
    with contextlib.suppress(APIError):
        while True:
            await jetstream.publish(subjects.work(QUEUE, "filler"), b"")


async def free(jetstream: JetStreamContext) -> None:
    """As it was."""
    await jetstream.purge_stream(subjects.WORK, subject=subjects.work(QUEUE, "filler"))
    info = await jetstream.stream_info(subjects.WORK)
    await jetstream.update_stream(info.config.evolve(max_bytes=Pace().work_bytes))


async def main() -> None:
    """Do what the command line says."""
    settings = tomllib.loads(Path("/etc/outreach/engine.toml").read_text())
    link = Link(settings["nats"], settings["seed"], settings["ca"])
    client = await connect(link, name="filler", inbox=subjects.inbox("coordinator"))
    try:
        await {"full": full, "free": free}[sys.argv[1]](client.jetstream())
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main())
