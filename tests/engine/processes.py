"""Coordinator and nodes as processes of their own, that can be killed, frozen and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.link import Link
from tests.engine.network import Network
from tests.validator.servers import PORT, World

PACE = "[pace]\nack_wait = 1.5\npoll = 0.1\nsweep = 1.0\nalive = 3.0\n"
TIMEOUTS = "[timeouts]\nconnect = 4\nbanner = 10\ncommand = 10\ngoodbye = 1\n"
MANNER = "[manner]\nprogress = 0.5\nheartbeat = 0.5\ncontact = 1\npull = 5.0\nfarewell = 3.0\n"


class Army:
    """Processes by name: `coordinator`, `n1`, `n2`, ...

    Args:
        folder: For configuration and logs.
        conninfo: PostgreSQL.
        link: NATS; no identities.
        world: DNS and mail servers.
        nodes: How many.
        rate: Recipients a minute that every operator bears from a node; 0 for no limit.
        operators: Named operators that bear as much; all others do anyhow.
        network: Where the nodes are; on this host if there is none.
        times: Tables `[pace]`, `[manner]` and the validator's `[timeouts]`.
    """

    def __init__(
        self,
        folder: Path,
        conninfo: str,
        link: Link,
        world: World,
        *,
        nodes: int = 3,
        rate: float = 0.0,
        operators: Sequence[str] = (),
        network: Network | None = None,
        times: tuple[str, str, str] = (PACE, MANNER, TIMEOUTS),
    ) -> None:
        self.folder = folder
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self._network = network
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        resolver = "{}:{}".format(*world.resolver)
        (folder / "coordinator.toml").write_text(
            f'database = "{conninfo}"\nnats = "{link.url}"\nresolver = "{resolver}"\n{times[0]}'
        )
        (folder / "validator.toml").write_text(
            f'helo = "probe.test"\nresolver = "{resolver}"\nsmtp_port = {PORT}\n'
            "rate_limit = 0\npatience = 0\ngreylist_delays = []\n"
            + times[2]
            + "".join(
                f'[[operator]]\nname = "{name}"\nconnections = 0\nrecipients = 0\nrate = {rate}\n'
                "connects = 0\ndaily = 0\nreset = false\naccepts_bounces = false\nprobe = true\n"
                for name in ("default", *operators)
            )
        )
        for name in self.nodes:
            (folder / f"{name}.toml").write_text(
                f'node = "{name}"\nnats = "{link.url}"\nvalidator = "{folder}/validator.toml"\n{times[1]}'
            )

    def __enter__(self) -> Self:
        for name in ("coordinator", *self.nodes):
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._running):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start a process."""
        verb = "coordinate" if name == "coordinator" else "work"
        within = self._network.within(name) if self._network is not None and name in self.nodes else []
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*within, sys.executable, "-m", "engine", verb, "--config", f"{self.folder}/{name}.toml"],
                env={**os.environ, "OUTREACH_ALLOW_PRIVATE": "1"},
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """End it as a crash does."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """End it in good order; its exit status."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(20)

    def freeze(self, name: str, seconds: float) -> None:
        """Cut it off from the world for a while: it neither speaks nor hears, and does not know it."""
        self._running[name].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._running[name].send_signal(signal.SIGCONT)

    def alive(self) -> list[str]:
        """Processes that run."""
        return sorted(name for name, process in self._running.items() if process.poll() is None)

    def log(self, name: str) -> str:
        """What it said."""
        return (self.folder / f"{name}.log").read_text()
