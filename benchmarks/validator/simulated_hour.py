"""30,000 addresses in an hour from ten source addresses while every default budget holds, on a virtual clock.

`python -m benchmarks.validator.simulated_hour [ADDRESSES]` runs the whole validator, its dialogue
and scheduler included, against simulated exchangers: 40 % Google (half gmail.com, half domains of
four addresses), 30 % Microsoft 365, 30 % small domains of their own. An auditor that knows nothing
of the scheduler counts at the servers' side.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from validator import Settings, Validator
from validator.operators import Operators, default_operators
from validator.transport import Line, Link
from validator.wire import MX, A, Message

HOUR = 3600.0
ROUND_TRIP = 0.12
SOURCES = tuple(f"198.51.100.{number}" for number in range(1, 11))


class _Skipping(selectors.DefaultSelector):
    """Instead of sleeping, moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events and timeout:
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose hour lasts as long as its work."""

    def __init__(self) -> None:
        self.skipping = _Skipping()
        super().__init__(self.skipping)

    def time(self) -> float:
        return self.skipping.now


@dataclass
class Traffic:
    """What an operator saw from one source."""

    open_now: int = 0
    most_open: int = 0
    connects: list[float] = field(default_factory=list)
    recipients: list[float] = field(default_factory=list)
    most_on_one: int = 0


class World:
    """DNS, exchangers and the auditor."""

    def __init__(self, operators: Operators) -> None:
        self.operators = operators
        self.hosts: dict[str, str] = {}
        self.traffic: dict[tuple[str, str], Traffic] = defaultdict(Traffic)
        self.ips: dict[str, str] = {}

    async def ask(self, name: str, kind: int) -> Message:
        """validator.resolver.Questions."""
        await asyncio.sleep(0.02)
        if kind == MX:
            return Message(0, values=[(10, self.hosts[name])], ttl=3600)
        if kind == A:
            number = len(self.ips)
            ip = f"9.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            self.ips[ip] = name
            return Message(0, values=[ip], ttl=3600)
        return Message(0)

    async def connect(
        self,
        ip: str,
        port: int,  # noqa: ARG002 - the interface's
        source: str,
        timeout: float,  # noqa: ARG002 - the interface's
        transcript: list[Line] | None,
    ) -> Link:
        """validator.dial.Connector."""
        traffic = self.traffic[self.operators.of(self.ips[ip]).name, source]
        traffic.open_now += 1
        traffic.most_open = max(traffic.most_open, traffic.open_now)
        traffic.connects.append(asyncio.get_running_loop().time())
        await asyncio.sleep(ROUND_TRIP)
        link = Link(transcript)
        link.connection_made(_Wire(link, traffic))
        return link


class _Wire(asyncio.Transport):
    """The network and the server at its other end."""

    def __init__(self, link: Link, traffic: Traffic) -> None:
        super().__init__()
        self.link, self.traffic = link, traffic
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.asked = 0
        self.loop.call_later(ROUND_TRIP, self._say, b"220 ready\r\n")

    def write(self, data: Any) -> None:
        replies = b"".join(self._reply(line) for line in bytes(data).splitlines())
        self.loop.call_later(ROUND_TRIP, self._say, replies)

    def _reply(self, line: bytes) -> bytes:
        verb = line[:4]
        if verb == b"EHLO":
            return b"250-host\r\n250 PIPELINING\r\n"
        if verb == b"RCPT":
            self.asked += 1
            self.traffic.recipients.append(self.loop.time())
            self.traffic.most_on_one = max(self.traffic.most_on_one, self.asked)
            return b"250 2.1.5 Ok\r\n" if line[9:13] == b"user" else b"550 5.1.1 User unknown\r\n"
        return b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n"

    def _say(self, data: bytes) -> None:
        if not self.closing:
            self.link.data_received(data)

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.traffic.open_now -= 1
            self.loop.call_soon(self.link.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002
        return default


def addresses(world: World, count: int) -> list[str]:
    """The mix, shuffled."""
    found = [f"{_local(i)}@gmail.com" for i in range(count // 5)]
    world.hosts["gmail.com"] = "gmail-smtp-in.l.google.com"
    shares = (
        ("g", count // 5, "aspmx.l.google.com"),
        ("m", count * 3 // 10, "{}.mail.protection.outlook.com"),
    )
    for letter, number, host in (
        *shares,
        ("o", count - len(found) - count // 5 - count * 3 // 10, "mx.{}.test"),
    ):
        for i in range(number):
            domain = f"{letter}{i // 4}.test"
            world.hosts[domain] = host.format(
                domain.replace(".", "-") if letter == "m" else f"{letter}{i // 4}"
            )
            found.append(f"{_local(i)}@{domain}")
    random.Random(7).shuffle(found)  # noqa: S311 - the same list each time
    return found


def _local(number: int) -> str:
    return f"user{number}" if number % 3 else f"gone{number}"


def most_in(times: list[float], seconds: float) -> int:
    """The most events in any half-open window of so many seconds."""
    times = sorted(times)
    return max((bisect_left(times, at + seconds - 1e-6) - i for i, at in enumerate(times)), default=0)


def audit(world: World) -> list[str]:
    """Every budget that was exceeded."""
    broken = []
    for (name, source), seen in world.traffic.items():
        budget = next(
            (o.budget for _, o in world.operators._named if o.name == name), world.operators.default
        )
        facts: Mapping[str, tuple[float, float]] = {
            "connections": (seen.most_open, budget.connections),
            "recipients on a connection": (seen.most_on_one, budget.recipients),
            "recipients a minute": (most_in(seen.recipients, 60), budget.rate),
            "connections a minute": (most_in(seen.connects, 60), budget.connects),
            "recipients a day": (len(seen.recipients), budget.daily),
        }
        broken += [
            f"{name} from {source}: {what} {was} > {may}" for what, (was, may) in facts.items() if was > may
        ]
        gaps = sorted(seen.recipients)
        if any(b - a < 2.0 - 1e-6 for a, b in pairwise(gaps)):
            broken.append(f"{name} from {source}: less than 2 s between two recipients")
    return broken


async def run(count: int) -> dict[str, Any]:
    """One hour."""
    operators = default_operators()
    world = World(operators)
    mix = addresses(world, count)
    settings = Settings(helo="n1.test", source_ips=SOURCES, operators=operators, starttls=False)
    done: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    finished_at = None
    async with Validator(settings, dns=world, connector=world.connect) as validator:
        async for verdict in validator.stream(mix):
            if loop.time() > HOUR:
                break
            done[verdict.status.value] += 1
            finished_at = loop.time()
    by_operator: Counter[str] = Counter()
    for (name, _), seen in world.traffic.items():
        group = name if name in ("google", "microsoft") else "others"
        by_operator[group] += len(seen.recipients)
    return {
        "addresses": len(mix),
        "done_within_the_hour": sum(done.values()),
        "last_verdict_at_s": round(finished_at or 0, 1),
        "statuses": dict(done),
        "recipients_asked": dict(by_operator),
        "budgets_exceeded": audit(world),
    }


def main() -> None:
    """Run and report; 1 if a budget broke or the hour was too short."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        found = runner.run(run(count))
    found["real_seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["budgets_exceeded"]) or found["done_within_the_hour"] < count)


if __name__ == "__main__":
    main()
