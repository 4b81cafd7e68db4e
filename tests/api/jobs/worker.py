"""A process that works on jobs until it is killed: `python -m tests.api.jobs.worker DIRECTORY RESOLVER_PORT`.

It submits standard input's lines under the key `k` and says `accepted` when that is done.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.api.jobs.conftest import ended, listed, opened, settings_for
from tests.validator.servers import World


async def main(directory: Path, port: int) -> None:
    world = World()
    world.resolver = ("127.0.0.1", port)
    addresses = sys.stdin.read().splitlines()
    async with opened(directory, settings_for(world)) as jobs:
        job = await jobs.submit(listed(addresses), owner="n8n", key="k")
        sys.stdout.write("accepted\n")
        sys.stdout.flush()
        await ended(jobs, job)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
