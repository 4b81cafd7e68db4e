"""A real nats-server and a real PostgreSQL on loopback, in directories of their own."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

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

    def __init__(self, folder: Path, config: str = "", *, port: int = 0, listen: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._listen = listen
        self.port = port or free_port()
        self.url = f"nats://{listen}:{self.port}"
        self.config = folder / "nats.conf"
        self.config.write_text(
            config or f'listen: "{listen}:{self.port}"\njetstream {{ store_dir: "{folder}/store" }}\n'
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
            with contextlib.suppress(OSError), socket.create_connection((self._listen, self.port), 1) as sock:
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


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
