"""A real nats-server and a real PostgreSQL on loopback, in directories of their own."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import psycopg


class Postgres:
    """PostgreSQL on a Unix socket, as a user that is not root."""

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.data, self.log = folder / "data", folder / "log"
        self.conninfo = f"host={folder} user=engine dbname=postgres"
        self._bin = Path(max(glob.glob("/usr/lib/postgresql/*/bin")))
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self.data, "-U", "engine", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{folder}'",
            "fsync": "on" if fsync else "off",
            "max_connections": "40",
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is a crash."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def rows(self, query: Any, *values: object) -> list[tuple[Any, ...]]:
        """Ask, or tell, on a connection of one's own."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def _run(self, command: str, *arguments: object) -> None:
        words = [str(self._bin / command), *map(str, arguments)]
        if os.geteuid() == 0:
            words = ["runuser", "-u", self._user, "--", *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)


class Nats:
    """nats-server with a configuration that the test gives or the plainest there is."""

    def __init__(self, folder: Path, config: str = "", *, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.config = folder / "nats.conf"
        self.config.write_text(
            config or f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}/store" }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        self._log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            ["nats-server", "-c", str(self.config)], stdout=self._log, stderr=self._log
        )
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                if sock.recv(4) == b"INFO":
                    return
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop; SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._log.close()
            self._process = None


class Proxy:
    """Between a node and NATS; while it swallows, both sides have a connection and hear nothing on it."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.swallows = False
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._accept, "127.0.0.1", self.port)
        asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self.swallows:  # a new connection gets no further than an old one
            await asyncio.sleep(0.05)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        for one, other in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.swallows:
                    writer.write(data)
                    await writer.drain()
        writer.close()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
