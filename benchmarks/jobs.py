"""A million addresses as a job: seconds to accept, verdicts a second, and resident growth.

`python -m benchmarks.jobs [ADDRESSES] [CHECKED]` accepts ADDRESSES (1,000,000) of 100,000 domains, then works
on as many of them as CHECKED (300,000) says, against simulated exchangers inside the process, and streams
the results meanwhile. Exits with 1 if accepting took 60 s or memory grew by more than 16 MB.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop

from api.jobs import Job, LocalJobs
from benchmarks.validator.memory import Names, connect, resident
from validator import Settings, Validator
from validator.operators import lifted_operators

# By then the validator knows as many domains as it remembers (`validator.work.RecentCatchAll`).
MARK = 120_000


class Peak:
    """The resident size, watched."""

    def __init__(self) -> None:
        gc.collect()
        self.before = self.most = resident()

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.most = max(self.most, resident())
            await asyncio.sleep(0.05)

    @property
    def growth(self) -> float:
        """Megabytes, at the highest."""
        return round((self.most - self.before) / 1e6, 1)


async def listed(count: int) -> AsyncIterator[str]:
    """Half of them exist."""
    for n in range(count):
        yield f"{'user' if n % 2 else 'gone'}{n}@d{n % 100_000}.test"


async def accept(jobs: LocalJobs, count: int) -> tuple[Job, dict[str, Any]]:
    """Hand the list over."""
    peak, began = Peak(), time.perf_counter()
    watcher = asyncio.create_task(peak.watch())
    job = await jobs.submit(listed(count), owner="benchmark")
    watcher.cancel()
    seconds = time.perf_counter() - began
    return job, {"accepted": count, "accept_seconds": round(seconds, 1), "accept_growth_mb": peak.growth}


async def check(jobs: LocalJobs, job: Job, count: int) -> dict[str, Any]:
    """Read so many results as they come."""
    began, cpu = time.perf_counter(), time.process_time()
    watcher = peak = None
    async for row in jobs.results(job.id, owner=job.owner, follow=True):
        if row["seq"] == min(MARK, count // 2):
            peak = Peak()
            watcher = asyncio.create_task(peak.watch())
        if row["seq"] == count:
            break
    assert peak is not None  # noqa: S101
    assert watcher is not None  # noqa: S101
    watcher.cancel()
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    await jobs.cancel(job.id, owner=job.owner)
    return {
        "checked": count,
        "verdicts_a_second": round(count / seconds),
        "cpu_ms_per_address": round(used * 1000 / count, 3),
        "check_growth_mb": peak.growth,
    }


async def run(count: int, checked: int, folder: Path) -> dict[str, Any]:
    """Both."""
    settings = Settings(helo="n1.test", rate_limit=0.0, starttls=False, operators=lifted_operators())
    async with Validator(settings, dns=Names(), connector=connect) as validator:
        async with LocalJobs(folder / "jobs.db", validator) as jobs:
            job, found = await accept(jobs, count)
            found |= await check(jobs, job, min(checked, count))
        found["file_mb"] = round((folder / "jobs.db").stat().st_size / 1e6, 1)
        return found


def main() -> None:
    """Run and report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    checked = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(run(count, checked, Path(folder)))
    print(json.dumps(found, indent=1))
    sys.exit(found["accept_seconds"] >= 60 or found["accept_growth_mb"] > 16 or found["check_growth_mb"] > 16)


if __name__ == "__main__":
    main()
