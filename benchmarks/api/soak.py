"""A soak: so many requests a second of every kind, for so long, with no error and flat memory."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.api.caller import Call, Caller, Reply
from benchmarks.api.stand import processor_seconds, standing
from tests.api.running import Running

CALLERS = 20
"""Keys; each of them calls half as often as it may."""
LINES = 10
"""Connections of one caller."""
DOMAINS = 5_000
GROWTH = 8_000_000
"""Bytes of memory from the second quarter to the last that are still called flat."""
# Of a hundred calls: 46 /health, 20 /validate (two addresses), 20 /explain, 4 new jobs (five addresses), 9
# looks at one, 1 message.
ORDER = [("health", 46), ("validate", 20), ("explain", 20), ("look", 9), ("job", 4), ("message", 1)]


def schedule() -> Iterator[str]:
    """Kinds of call, mixed evenly, for ever."""
    due = Counter({name: 0.0 for name, _ in ORDER})
    while True:
        for name, share in ORDER:
            due[name] += share / 100
        (name, _) = due.most_common(1)[0]
        due[name] -= 1
        yield name


class Soak:
    """The calls, and what came of them."""

    def __init__(self, service: Running, keys: list[str]) -> None:
        self.callers = [[Caller(service.port, key) for _ in range(LINES)] for key in keys]
        self.count: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.took: dict[str, list[float]] = {}
        self._jobs: dict[int, str] = {}
        self._numbers = itertools.count()

    async def one(self, name: str, number: int) -> None:
        """A call, judged."""
        who = number % len(self.callers)
        caller = self.callers[who][number // len(self.callers) % LINES]
        call = self._call(name, who)
        began = time.perf_counter()
        try:
            reply = await caller.call(call)
            wrong = self._wrong(call, reply, who)
        except (OSError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
            wrong = f"{type(error).__name__}: {error}"
        self.took.setdefault(call.name, []).append(time.perf_counter() - began)
        self.count[call.name] += 1
        if wrong:
            self.errors[f"{call.name}: {wrong}"] += 1

    def _call(self, name: str, who: int) -> Call:
        if name == "look" and who not in self._jobs:
            name = "health"
        match name:
            case "validate":
                return Call(name, "POST", "/validate", {"emails": self._emails(2)})
            case "explain":
                return Call(name, "GET", "/explain?reply=550%205.1.1%20User%20unknown&mx=mx.example.com")
            case "job":
                return Call(name, "POST", "/jobs", {"emails": self._emails(5)}, (202,))
            case "look":
                return Call(name, "GET", f"/jobs/{self._jobs[who]}")
            case "message":
                asked = {"message": f"soak {next(self._numbers)}", "wait": 0}
                return Call(name, "POST", "/telegram/send", asked, (200, 202))
        return Call("health", "GET", "/health")

    def _emails(self, count: int) -> list[str]:
        found = []
        for _ in range(count):
            number = next(self._numbers)
            found.append(f"{'user' if number % 2 else 'gone'}{number}@d{number % DOMAINS}.test")
        return found

    def _wrong(self, call: Call, reply: Reply, who: int) -> str:
        if reply.status not in call.right:
            return f"{reply.status} {reply.body[:200].decode()}"
        if call.name == "validate":
            for row in reply.json()["results"]:
                expected = "VALID" if row["email"].startswith("user") else "MAILBOX_NOT_FOUND"
                if row["verdict"] != expected:
                    return f"{row['verdict']} ({row['reason']}) instead of {expected}"
        if call.name == "job":
            self._jobs[who] = reply.json()["id"]
        return ""


async def _soak(service: Running, keys: list[str], rate: float, seconds: float) -> dict[str, Any]:
    soak = Soak(service, keys)
    memory: list[tuple[float, int]] = []
    late: list[float] = []
    tasks: set[asyncio.Task[None]] = set()
    kinds = schedule()
    began, busy = time.perf_counter(), processor_seconds(service)
    for number in range(int(rate * seconds)):
        ahead = began + number / rate - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        late.append(max(0.0, -ahead))
        if number % rate == 0:
            memory.append((time.perf_counter() - began, service.resident()))
        task = asyncio.create_task(soak.one(next(kinds), number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    spent, busy = time.perf_counter() - began, processor_seconds(service) - busy
    for line in itertools.chain.from_iterable(soak.callers):
        line.close()
    return {**_report(soak, memory, spent, rate, max(late)), "processor": round(busy / spent, 2)}


def _report(
    soak: Soak, memory: list[tuple[float, int]], spent: float, rate: float, late: float
) -> dict[str, Any]:
    quarter = len(memory) // 4
    early = statistics.median(size for _, size in memory[quarter : 2 * quarter])
    last = statistics.median(size for _, size in memory[-quarter:])
    requests = sum(soak.count.values())
    errors = sum(soak.errors.values())
    return {
        "seconds": round(spent, 1),
        "requests": requests,
        "per_second": round(requests / spent, 1),
        "calls": dict(soak.count),
        "errors": errors,
        "first_errors": dict(soak.errors.most_common(5)),
        "p99_ms": {name: round(_p99(took) * 1e3, 1) for name, took in sorted(soak.took.items())},
        "latest_call_seconds": round(late, 2),
        "memory_mb": {"second quarter": round(early / 1e6, 1), "last quarter": round(last / 1e6, 1)},
        "growth_mb": round((last - early) / 1e6, 1),
        "kept": errors == 0 and last - early <= GROWTH and requests / spent >= 0.98 * rate,
    }


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def run(rate: float, seconds: float) -> dict[str, Any]:
    """Soak a service of its own."""
    with tempfile.TemporaryDirectory() as folder, standing(Path(folder), CALLERS) as (service, keys):
        found = asyncio.run(_soak(service, keys, rate, seconds))
        faults = sum(line["level"] == "error" for line in service.lines())
    return {**found, "faults_logged": faults, "kept": found["kept"] and not faults}
