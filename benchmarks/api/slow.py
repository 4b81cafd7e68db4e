"""A thousand slow clients at once, in a process of their own, while /health is asked and must answer in time.

A third never ends its headers, a third never its body, a third reads a long stream of results so slowly that
it would take hours. Whom the service sends away comes back at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.api.stand import processor_seconds, standing
from tests.api.running import Running, until

ROWS = 20_000
"""Of the job whose results are read: about 10 MB."""
SETTLING = 60.0
"""Seconds at most until it is measured."""
ASKED = 25
"""Times /health is asked in a second."""
PROMISE = 0.050

Slow = Callable[[int, str, str], Awaitable[None]]


async def _slow_headers(port: int, key: str, _job: str) -> None:
    line = await _connected(port)
    try:
        await _drip(line, f"POST /validate HTTP/1.1\r\nHost: api\r\nX-API-Key: {key}\r\nA: ", "a")
    finally:
        line.close()


async def _slow_body(port: int, key: str, _job: str) -> None:
    head = f"POST /validate HTTP/1.1\r\nHost: api\r\nX-API-Key: {key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    line = await _connected(port)
    try:
        await _drip(line, head, " ")
    finally:
        line.close()


async def _drip(line: socket.socket, head: str, one: str) -> None:
    """A byte a second, until the service has enough."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, head.encode())
    while True:
        await loop.sock_sendall(line, one.encode())
        with suppress(TimeoutError):
            await asyncio.wait_for(loop.sock_recv(line, 4096), 1)
            return


async def _slow_reader(port: int, key: str, job: str) -> None:
    loop = asyncio.get_running_loop()
    line = await _connected(port)
    try:
        head = f"GET /jobs/{job}/results HTTP/1.1\r\nHost: api\r\nX-API-Key: {key}\r\n\r\n"
        await loop.sock_sendall(line, head.encode())
        while await loop.sock_recv(line, 1024):
            await asyncio.sleep(1)
    finally:
        line.close()


async def _connected(port: int) -> socket.socket:
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    return line


async def _crowd(count: int, port: int, keys: list[str], job: str, told: Connection) -> None:
    kinds: list[Slow] = [_slow_headers, _slow_body, _slow_reader]
    ends: Counter[str] = Counter()

    async def always(number: int) -> None:
        while True:
            slow = kinds[number % len(kinds)]
            try:
                # The results are the first key's. A key that asks too often is refused at once: too quick.
                await slow(port, keys[0 if slow is _slow_reader else number % len(keys)], job)
                ends[f"{slow.__name__[1:]} sent away"] += 1
            except OSError:
                ends[f"{slow.__name__[1:]} cut off"] += 1
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(always(number)) for number in range(count)]
    while not told.poll():
        await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    told.send(dict(ends))


def _crowd_process(count: int, port: int, keys: list[str], job: str, told: Connection) -> None:
    asyncio.run(_crowd(count, port, keys, job, told))


def _finished_job(service: Running, key: str) -> str:
    """A job whose verdicts need no mail server."""
    with service.client(key) as client:
        asked = {"emails": [f"no address {number}" for number in range(ROWS)]}
        job = str(client.post("/jobs", json=asked).json()["id"])
        if not until(lambda: client.get(f"/jobs/{job}").json()["finished"] is not None, 120):
            raise SystemExit("the job whose results are read does not end")
    return job


def _asked(service: Running, seconds: float) -> tuple[list[float], int, int]:
    """How long /health took, on a kept connection and on new ones by turns; errors; connections seen."""
    took: list[float] = []
    errors = most = 0
    end = time.monotonic() + seconds
    kept = HTTPConnection("127.0.0.1", service.port, timeout=30)
    number = 0
    while time.monotonic() < end:
        began = time.perf_counter()
        errors += not (_healthy(kept) if number % 2 else _healthy_anew(service))
        took.append(time.perf_counter() - began)
        if number % (5 * ASKED) == 0:
            most = max(most, _connections(service))
        number += 1
        time.sleep(max(0.0, began + 1 / ASKED - time.perf_counter()))
    kept.close()
    return took, errors, most


def _healthy(line: HTTPConnection) -> bool:
    # httpx would spend more on a call than the service does.
    try:
        line.request("GET", "/health")
        answer = line.getresponse()
        answer.read()
    except (OSError, HTTPException):
        line.close()
        return False
    return answer.status == 200


def _healthy_anew(service: Running) -> bool:
    line = HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        return _healthy(line)
    finally:
        line.close()


def _settled(service: Running, clients: int) -> float:
    """Wait until all have come, and have been sent as much as their buffers take; how long that was."""
    began = time.monotonic()
    while time.monotonic() - began < SETTLING:
        busy = processor_seconds(service)
        time.sleep(2)
        calm = processor_seconds(service) - busy < 1.0
        if calm and _connections(service) >= 0.9 * clients:
            break
    return round(time.monotonic() - began, 1)


def _connections(service: Running) -> int:
    """Sockets the service has."""
    place = Path(f"/proc/{service.pid}/fd")
    return sum(path.is_symlink() and str(path.readlink()).startswith("socket:") for path in place.iterdir())


def run(clients: int, seconds: float) -> dict[str, Any]:
    """Hold a service of its own against them."""
    with tempfile.TemporaryDirectory() as folder, standing(Path(folder), 20) as (service, keys):
        job = _finished_job(service, keys[0])
        before = service.resident()
        ours, theirs = multiprocessing.Pipe()
        crowd = multiprocessing.Process(
            target=_crowd_process, args=(clients, service.port, keys, job, theirs)
        )
        crowd.start()
        settled = _settled(service, clients)
        took, errors, connections = _asked(service, seconds)
        grown = service.resident() - before
        ours.send("enough")
        ends = ours.recv()
        crowd.join(30)
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    return {
        "clients": clients,
        "settled_after_seconds": settled,
        "connections": connections,
        "ends": ends,
        "health_calls": len(took),
        "health_errors": errors,
        "health_ms": {"p50": _ms(took[len(took) // 2]), "p99": _ms(p99), "most": _ms(took[-1])},
        "memory_grown_mb": round(grown / 1e6, 1),
        "kept": p99 < PROMISE and not errors and connections >= 0.9 * clients,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)
