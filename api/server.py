"""Runs the application: sockets, TLS, limits of the process, an orderly end."""

from __future__ import annotations

import gc
import os
import resource
import socket
import tempfile
from collections.abc import Mapping

import uvicorn
from fastapi import FastAPI

from api import logs
from api.config import Config, ConfigurationError
from api.wire import protocol

_FIRST_SOCKET = 3
"""sd_listen_fds(3): passed sockets begin here."""


def listening(config: Config, environ: Mapping[str, str] = os.environ) -> socket.socket:
    """The socket to serve on: systemd's, or one of our own.

    Raises:
        ConfigurationError: it cannot be used, or is open to others without TLS.
    """
    if environ.get("LISTEN_FDS") and environ.get("LISTEN_PID") == str(os.getpid()):
        if environ["LISTEN_FDS"] != "1":
            raise ConfigurationError(f"systemd passed {environ['LISTEN_FDS']} sockets; one is wanted")
        passed = socket.socket(fileno=_FIRST_SOCKET)
        if passed.family in (socket.AF_INET, socket.AF_INET6):
            config.refuse_open(passed.getsockname()[0])
        return passed
    host, port = config.endpoint
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise ConfigurationError(f"cannot listen on {config.listen}: {error.strerror}") from None
    return made


def serve(app: FastAPI, config: Config, sock: socket.socket) -> None:
    """Serve until SIGTERM; then end what is under way, for `stop_seconds` at most.

    Raises:
        ConfigurationError: TLS files cannot be used, or the application cannot start.
    """
    logs.begin(addresses=config.log_addresses)
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Uploads go where there is space for them; /tmp may be memory.
    tempfile.tempdir = str(config.state)
    _raise_open_files()
    # Sessions come and go without cycles; the collector's usual eagerness costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    server = uvicorn.Server(settings(app, config))
    server.run([sock])
    if not server.started:
        raise SystemExit(1)


def settings(app: FastAPI, config: Config) -> uvicorn.Config:
    """Uvicorn's settings."""
    limits = config.limits
    found = uvicorn.Config(
        app,
        http=protocol(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=4096,
        timeout_keep_alive=int(limits.keep_alive_seconds),
        timeout_graceful_shutdown=int(limits.stop_seconds),
        h11_max_incomplete_event_size=32 * 1024,
    )
    found.load()
    found.ssl = config.tls()
    return found


def _raise_open_files() -> None:
    """A thousand slow clients beside two hundred sessions are more than the usual 1,024 files."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
