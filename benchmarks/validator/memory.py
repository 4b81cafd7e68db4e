"""Resident growth of a bulk run over a million addresses of 100,000 domains.

`python -m benchmarks.validator.memory [ADDRESSES] [DOMAINS]` runs `validator.bulk` from a file to a
file, against simulated exchangers inside the process (their state is constant), and reads the
resident size at the 10,000th verdict and after the last.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from validator import Settings
from validator.bulk import Bulk, Files, Progress
from validator.operators import lifted_operators
from validator.transport import Line, Link
from validator.wire import MX, A, Message

MARK = 10_000


class Names:
    """Every domain has one exchanger at one address."""

    async def ask(self, name: str, kind: int) -> Message:
        """validator.resolver.Questions."""
        if kind == MX:
            return Message(0, values=[(10, f"mx.{name}")], ttl=3600)
        return Message(0, values=["9.9.9.9"] if kind == A else [], ttl=3600)


class Wire(asyncio.Transport):
    """A server at the other end of nothing."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link
        self.closing = False
        self.loop = asyncio.get_running_loop()
        self.loop.call_soon(link.data_received, b"220 ready\r\n")

    def write(self, data: Any) -> None:
        replies = []
        for line in bytes(data).splitlines():
            verb = line[:4]
            if verb == b"EHLO":
                replies.append(b"250-host\r\n250 PIPELINING\r\n")
            elif verb == b"RCPT":
                replies.append(
                    b"250 2.1.5 Ok\r\n" if line[9:13] == b"user" else b"550 5.1.1 User unknown\r\n"
                )
            else:
                replies.append(b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n")
        self.loop.call_soon(self._say, b"".join(replies))

    def _say(self, data: bytes) -> None:
        if not self.closing:
            self.link.data_received(data)

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.link.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002
        return default


async def connect(ip: str, port: int, source: str, timeout: float, transcript: list[Line] | None) -> Link:  # noqa: ARG001
    """validator.dial.Connector."""
    link = Link(transcript)
    link.connection_made(Wire(link))
    return link


def resident() -> int:
    """Bytes in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def run(addresses: int, domains: int, folder: Path) -> dict[str, Any]:
    """One list."""
    source = folder / "list.txt"
    with source.open("w") as out:
        for i in range(addresses):
            out.write(f"{'user' if i % 2 else 'gone'}{i}@d{i % domains}.test\n")
    settings = Settings(helo="n1.test", rate_limit=0.0, starttls=False, operators=lifted_operators())
    marks: dict[str, int] = {}
    bulk = Bulk(settings, Files(str(source), folder / "out.csv"), dns=Names(), connector=connect)

    async def watch(progress: Progress) -> None:
        while progress.done < MARK:
            await asyncio.sleep(0.005)
        gc.collect()
        marks["at"], marks["before"] = progress.done, resident()
        while True:
            await asyncio.sleep(1)
            marks["peak"] = max(marks.get("peak", 0), resident())

    watcher = asyncio.create_task(watch(bulk.progress))
    began, cpu = time.perf_counter(), time.process_time()
    progress = await bulk.run()
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    watcher.cancel()
    after = resident()
    return {
        "addresses": progress.done,
        "domains": domains,
        "seconds": round(seconds, 1),
        "cpu_ms_per_address": round(used * 1000 / addresses, 3),
        "resident_at_10000_mb": round(marks["before"] / 1e6, 2),
        "read_at": marks["at"],
        "resident_after_last_mb": round(after / 1e6, 2),
        "growth_kb": round((after - marks["before"]) / 1000),
        "peak_growth_kb": round((max(marks.get("peak", 0), after) - marks["before"]) / 1000),
        "statuses": dict(progress.statuses),
    }


def main() -> None:
    """Run and report; 1 if it grew by more than 2 MB."""
    addresses = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    domains = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found = runner.run(run(addresses, domains, Path(folder)))
    print(json.dumps(found, indent=1))
    sys.exit(found["growth_kb"] > 2000)


if __name__ == "__main__":
    main()
