"""All emulators in one process: one event loop, one store, one port for each vendor."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.emulators.clock import hurried
from lab.emulators.cloudflare.vendor import Cloudflare
from lab.emulators.contabo.vendor import Contabo, Credentials
from lab.emulators.control import control_app
from lab.emulators.faults import Faults
from lab.emulators.gate import AbortableProtocol, vendor_app
from lab.emulators.hetzner.vendor import Hetzner
from lab.emulators.jobs import Jobs
from lab.emulators.recording import RecordingWorld
from lab.emulators.store import Store
from lab.emulators.telegram import Telegram
from lab.emulators.vendor import Context, Vendor
from lab.world import World


@dataclass(frozen=True)
class Accounts:
    """The tokens the emulators accept.

    `cloudflare_account` is the account the Cloudflare token is for, `telegram_chat` the team's chat.
    """

    hcloud_token: str
    cloudflare_token: str
    cloudflare_account: str
    contabo: Credentials
    telegram_token: str
    telegram_chat: str


class Emulators:
    """The emulated vendors over one state directory, in which time passes `speed` times as fast."""

    def __init__(self, state: Path, world: World, accounts: Accounts, speed: float = 1.0) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.store = Store(state / "emulators.sqlite3")
        self._world = world
        self._jobs = Jobs(self.store, world)
        self._clock = hurried(speed, self.store.setting("clock.offset", 0))
        lab = Context(self.store, self._jobs, self._clock)
        self.vendors: Sequence[Vendor] = (
            Hetzner(lab, accounts.hcloud_token),
            Contabo(lab, accounts.contabo),
            Cloudflare(lab, accounts.cloudflare_token, accounts.cloudflare_account),
            Telegram(lab, accounts.telegram_token, accounts.telegram_chat),
        )

    async def reset(self) -> None:
        """Forget everything, as if just started over an empty directory."""
        await self._jobs.settle()
        self.store.clear()
        self._clock.offset = 0
        for vendor in self.vendors:
            vendor.limit.reset()
        if isinstance(self._world, RecordingWorld):
            self._world.clear()

    async def serve(self, sockets: Sequence[socket.socket]) -> None:
        """Serve each vendor on its socket, in the order of `vendors`, until SIGTERM or SIGINT."""
        apps: dict[int, ASGIApp] = {}
        for vendor, listener in zip(self.vendors, sockets, strict=True):
            faults = Faults(self.store, vendor.name)
            api, control = vendor_app(vendor, faults), control_app(vendor, faults, self._world, self.reset)
            apps[listener.getsockname()[1]] = _with_control(api, control)

        async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
            await apps[scope["server"][1]](scope, receive, send)

        self._jobs.resume()
        config = uvicorn.Config(
            by_port,
            http=AbortableProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        # uvicorn raises the signal that ended it once more; ours ends the process with status 0.
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        await uvicorn.Server(config).serve(sockets=list(sockets))
        self.store.close()


def listen(address: str, ports: Sequence[int]) -> list[socket.socket]:
    """A listening socket for each port; 0 takes a free one.

    Raises:
        OSError: the address is not this machine's, or a port is taken.
    """
    sockets = [socket.create_server((address, port), backlog=256) for port in ports]
    for listener in sockets:
        # asyncio sets this only on sockets made with an explicit protocol; without it every answer waits
        # 40 ms for the client's delayed ACK. Accepted connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sockets


def announce(vendors: Sequence[Vendor], sockets: Sequence[socket.socket]) -> None:
    """Write the one line on standard output: JSON with each vendor's base URL; they accept connections."""
    urls: Mapping[str, str] = {
        vendor.name: "http://{}:{}".format(*listener.getsockname())
        for vendor, listener in zip(vendors, sockets, strict=True)
    }
    sys.stdout.write(json.dumps({"ready": urls}) + "\n")
    sys.stdout.flush()


def _with_control(api: ASGIApp, control: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = control if scope["path"].startswith("/_lab/") else api
        await chosen(scope, receive, send)

    return app
