"""The service as a process of its own on loopback, with everything it needs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from api.keys import Scope, block, new_key
from tests.validator.servers import PORT, World

ALL = ",".join(scope.value for scope in Scope)


def rest(line: socket.socket) -> bytes:
    """Everything until the service closes."""
    said = b""
    try:
        while chunk := line.recv(65_536):
            said += chunk
    except ConnectionResetError:
        pass
    return said


class Running:
    """One `outreach-api serve`.

    Attributes:
        key: May do everything.
    """

    def __init__(self, folder: Path, world: World | None = None, **settings: Any) -> None:
        self.folder = folder
        self.key = new_key()
        self.keys_file = folder / "keys.toml"
        self.keys_file.write_text(block("all", self.key, list(Scope)))
        self.port = free_port()
        self.config = folder / "api.toml"
        self.log = folder / "log"
        self.environ: dict[str, str] = {}
        self.limits: dict[str, Any] = {"requests_per_second": 1000.0, "burst": 10000}
        self.settings: dict[str, Any] = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix: list[str] = []
        if world is not None:
            self._validator(world)

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.folder / "state"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def add_key(self, name: str, *scopes: Scope) -> str:
        """A further key."""
        made = new_key()
        with self.keys_file.open("a") as file:
            file.write("\n" + block(name, made, scopes))
        return made

    def report(self, name: str, content: Any) -> Path:
        """Have a report in the directory of reports; where it is."""
        folder = self.folder / "reports"
        folder.mkdir(exist_ok=True)
        self.settings["reports"] = str(folder)
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def start(self) -> None:
        """Start; returns when it answers."""
        self.write()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "api", "serve", "--config", str(self.config)],
                stderr=log,
                env={**bare_environ(), **self.environ},
            )
        for _ in range(300):
            assert self.process.poll() is None, self.log.read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(60)

    def client(self, key: str | None = None, *, timeout: float = 30, **options: Any) -> httpx.Client:
        """A caller with a key; its own if none is given, none if empty."""
        key = self.key if key is None else key
        headers = {"X-API-Key": key} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False, **options)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def request(self, method: str, path: str, content: Any) -> bytes:
        """A whole request with JSON, for a bare connection."""
        body = json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def resident(self) -> int:
        """Bytes of memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def write(self) -> None:
        """Write its configuration."""
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "state": str(self.state),
            "keys": str(self.keys_file),
            **self.settings,
        }
        self.config.write_text(f"{_toml(settings)}[limits]\n{_toml(self.limits)}")

    def _validator(self, world: World) -> None:
        names = ("connections", "recipients", "rate", "connects", "daily")
        lifted = "\n".join(f"{name} = 0" for name in names)
        host, port = world.resolver
        file = self.folder / "validator.toml"
        file.write_text(
            f'helo = "probe.test"\nresolver = "{host}:{port}"\nsmtp_port = {PORT}\nrate_limit = 0.0\n'
            "[timeouts]\nconnect = 2.0\nbanner = 2.0\ncommand = 2.0\ngoodbye = 1.0\n"
            f'[[operator]]\nname = "default"\n{lifted}\n'
        )
        self.settings["validator"] = str(file)
        self.environ["OUTREACH_ALLOW_PRIVATE"] = "1"


def bare_environ() -> dict[str, str]:
    """This process's environment without what would configure a service."""
    ours = re.compile(r"TELEGRAM_|NOTIFIER_|OUTREACH_|LISTEN_|STATE_DIRECTORY|CREDENTIALS_DIRECTORY")
    return {name: value for name, value in os.environ.items() if not ours.match(name)}


def free_port() -> int:
    """A port nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _toml(settings: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


@contextmanager
def running(service: Running) -> Iterator[Running]:
    """Started, and stopped at the end."""
    service.start()
    try:
        yield service
    finally:
        service.stop()


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
