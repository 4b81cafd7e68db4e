"""A million addresses: seconds until they are accepted, and what the accepting process grows by."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from engine.jobs import FleetJobs
from tests.engine.servers import Postgres
from tests.engine.world import each

MEMORY_MB = 30.0


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


def resident() -> float:
    """Megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6
