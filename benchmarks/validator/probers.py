"""The contestants of the speed benchmark, each in a process of its own.

`python -m benchmarks.validator.probers NAME SMTP_PORT DNS_PORT ADDRESSES CONCURRENCY` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import socket
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks.validator.sink import address_of
from validator import Settings, Status, Validator
from validator.operators import lifted_operators
from validator.resolver import Resolver
from validator.wire import MX, A


def read(path: str) -> list[str]:
    """Addresses, one a line."""
    return Path(path).read_text("ascii").split()


async def ours(addresses: list[str], smtp_port: int, dns_port: int, concurrency: int) -> Counter[str]:
    """The validator as a library, budgets lifted."""
    settings = Settings(
        helo="bench.test",
        resolver=("127.0.0.1", dns_port),
        smtp_port=smtp_port,
        allow_private=True,
        rate_limit=0.0,
        concurrency=concurrency,
        operators=lifted_operators(),
    )
    async with Validator(settings) as validator:
        return Counter([verdict.status.value async for verdict in validator.stream(addresses)])


class _Bare(asyncio.Protocol):
    """The same dialogue with no rules: banner, EHLO, MAIL + RCPT random + RCPT all in one packet, QUIT."""

    open = 0
    """Connections of all; the 221 is waited for at the end alone, as the validator does."""

    def __init__(self, done: asyncio.Future[list[bytes]], domain: str, addresses: list[str]) -> None:
        _Bare.open += 1
        self.done = done
        self.step = 0
        self.buffer = b""
        self.addresses = addresses
        self.domain = domain

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.step == 0 and self.buffer.endswith(b"\n"):
            self._send(b"EHLO bench.test\r\n")
        elif self.step == 1 and b"\r\n250 " in self.buffer:
            rcpts = "".join(f"RCPT TO:<{address}>\r\n" for address in self.addresses)
            head = f"MAIL FROM:<probe@bench.test>\r\nRCPT TO:<zqxjkvbwpm0123456789@{self.domain}>\r\n"
            self._send((head + rcpts).encode())
        elif self.step == 2 and self.buffer.count(b"\n") == len(self.addresses) + 2:
            lines = self.buffer.split(b"\r\n")
            self._send(b"QUIT\r\n")
            if not self.done.done():
                self.done.set_result(lines[2:])
        elif self.step == 3:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        _Bare.open -= 1
        if not self.done.done():
            self.done.set_exception(ConnectionError(str(exc)))

    def _send(self, data: bytes) -> None:
        self.step += 1
        self.buffer = b""
        self.transport.write(data)


async def bare(addresses: list[str], smtp_port: int, dns_port: int, concurrency: int) -> Counter[str]:
    """A bare uvloop prober: no classification, no budgets, no time-outs, no retries."""
    loop = asyncio.get_running_loop()
    dns = Resolver("127.0.0.1", dns_port)
    found: Counter[str] = Counter()
    by_domain: dict[str, list[str]] = {}
    for address in addresses:
        by_domain.setdefault(address.rpartition("@")[2], []).append(address)
    work = iter(by_domain.items())

    async def worker() -> None:
        for domain, mine in work:
            host = str((await dns.ask(domain, MX)).values[0][1])
            ip = str((await dns.ask(host, A)).values[0])
            done: asyncio.Future[list[bytes]] = loop.create_future()
            await loop.create_connection(lambda d=done, n=domain, m=mine: _Bare(d, n, m), ip, smtp_port)  # type: ignore[misc]
            for line in (await done)[: len(mine)]:
                found["VALID" if line.startswith(b"250") else "MAILBOX_NOT_FOUND"] += 1

    await asyncio.gather(*(worker() for _ in range(concurrency)))
    while _Bare.open:
        await asyncio.sleep(0.01)
    return found


async def pigeontrust(addresses: list[str], smtp_port: int, dns_port: int, concurrency: int) -> Counter[str]:
    """The package pigeontrust 0.2.0 by its own asynchronous face, pointed at the benchmark's DNS."""
    import dns.resolver  # noqa: PLC0415 - only here

    original = dns.resolver.BaseResolver.__init__

    def pointed(self: dns.resolver.BaseResolver, *_: object, **__: object) -> None:
        original(self, configure=False)
        self.nameservers = ["127.0.0.1"]
        self.port = dns_port

    dns.resolver.BaseResolver.__init__ = pointed  # type: ignore[method-assign]
    looked_up = socket.getaddrinfo

    def local(host: str, *rest: object, **named: object) -> object:
        # It dials by name through the system's resolver; the benchmark's names live only in the sink.
        if host.endswith(".test"):
            wire_name = b"".join(bytes([len(word)]) + word.encode() for word in host.split(".")) + b"\0"
            host = socket.inet_ntoa(address_of(wire_name))
        return looked_up(host, *rest, **named)  # type: ignore[arg-type]  # passed on as given

    socket.getaddrinfo = local  # type: ignore[assignment]
    from pigeontrust.averifier import AsyncPigeontrust  # noqa: PLC0415 - after the resolver is pointed

    verifier = AsyncPigeontrust(
        helo_host="bench.test",
        smtp_port=smtp_port,
        max_workers=concurrency,
        suggest_typos=False,
        check_disposable=False,
        check_role_account=False,
        smtp_timeout=60.0,
        dns_timeout=30.0,
    )
    found: Counter[str] = Counter()
    for verdict in await verifier.averify_many(addresses):
        words = {"mailbox_exists": "VALID", "mailbox_not_found": "MAILBOX_NOT_FOUND"}
        found[words.get(verdict.reason.value, verdict.reason.value)] += 1
    return found


def main() -> None:
    """Run one contestant and report."""
    name, smtp_port, dns_port, path, concurrency = sys.argv[1:]
    addresses = read(path)
    gc.freeze()  # as the validator's command does, for all of them
    gc.set_threshold(20_000, 20, 20)
    contestant = {"ours": ours, "bare": bare, "pigeontrust": pigeontrust}[name]
    began, cpu = time.perf_counter(), time.process_time()
    factory = None if name == "pigeontrust" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        found = runner.run(contestant(addresses, int(smtp_port), int(dns_port), int(concurrency)))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    right = found[Status.VALID.value], found[Status.MAILBOX_NOT_FOUND.value]
    print(
        json.dumps(
            {
                "name": name,
                "addresses": len(addresses),
                "seconds": round(seconds, 3),
                "per_second": round(len(addresses) / seconds, 1),
                "cpu_ms_per_address": round(used * 1000 / len(addresses), 4),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "valid": right[0],
                "not_found": right[1],
                "other": len(addresses) - sum(right),
            }
        )
    )


if __name__ == "__main__":
    main()
