"""The `outreach-engine` command: what the orchestrator's and the nodes' units run.

Exit codes: 0 stopped by a signal, or nothing is wrong; 1 an error, in one line on stderr; 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclopts import App

from engine.coordinator import Coordinator
from engine.routes import DnsRoutes
from engine.settings import ConfigError, load_coordination, load_working
from engine.together import first
from engine.worker import Worker

app = App(name="outreach-engine", help="Carry validation jobs between the orchestrator and its nodes.")

COORDINATOR, WORKER = Path("/etc/outreach/engine.toml"), Path("/etc/outreach/worker.toml")


@app.command
def coordinate(*, config: Path = COORDINATOR) -> None:
    """Run the coordinator until SIGTERM or SIGINT.

    Args:
        config: its file.
    """

    async def run() -> None:
        settings = load_coordination(config)
        routes = DnsRoutes(settings.resolver) if settings.ask_dns else None
        coordinator = Coordinator(settings.database, settings.link, pace=settings.pace, routes=routes)
        await first(coordinator.run(), _until_signal())

    _run(run())


@app.command
def work(*, config: Path = WORKER) -> None:
    """Run a node's worker until SIGTERM or SIGINT; what is not finished goes back, sessions end in QUIT.

    Args:
        config: its file.
    """

    async def run() -> None:
        settings = load_working(config)
        worker = Worker(settings.node, settings.link, settings.validator, manner=settings.manner)
        await worker.run(_stop_on_signal())

    _run(run())


@app.command
def check(*, coordinator: Path | None = None, worker: Path | None = None) -> None:
    """Read configuration files and everything they name, without connecting.

    Args:
        coordinator: a coordinator's file.
        worker: a node's file.
    """
    with _errors():
        if coordinator is not None:
            load_coordination(coordinator)
        if worker is not None:
            load_working(worker)


def main() -> None:
    """Run the command line."""
    app()


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until_signal() -> None:
    await _stop_on_signal().wait()


def _run(work: Coroutine[None, None, None]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors come to us, and are told once
    with _errors():
        asyncio.run(work)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (ConfigError, ConnectionError) as error:
        print(f"outreach-engine: {error}", file=sys.stderr)  # noqa: T201 - the command's own output
        sys.exit(1)
