"""`python -m lab.emulators`: serve the emulated vendors until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from lab.emulators.contabo.vendor import Credentials
from lab.emulators.recording import RecordingWorld
from lab.emulators.server import Accounts, Emulators, announce, listen
from lab.world import World

app = App(name="python -m lab.emulators", help="Hetzner Cloud, Contabo, Cloudflare and Telegram, emulated.")


@app.default
def serve(
    *,
    state: Path,
    listen_on: Annotated[str, Parameter(name="--listen")] = "198.18.0.1",
    ports: str = "4001,4002,4003,4004",
    world: Literal["recording", "lab"] = "recording",
    account: str = "023e105f4ecef8ad9ca31a8372d0c353",
    speed: float = 1.0,
) -> int:
    """Serve until SIGTERM; the first line on standard output says that requests are served, and where.

    Args:
        state: directory of what the emulators know; it survives them.
        listen_on: the address of all four.
        ports: of Hetzner, Contabo, Cloudflare and Telegram; 0 takes a free one.
        world: whether ordered servers boot in the lab or are only recorded.
        account: the Cloudflare account that the token is for.
        speed: how many seconds pass in one, for tests of what takes long.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        emulators = Emulators(state, _world(world, state), _accounts(account), speed)
        sockets = listen(listen_on, [int(port) for port in ports.split(",")])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"emulators: {error}\n")
        return 1
    announce(emulators.vendors, sockets)
    asyncio.run(emulators.serve(sockets))
    return 0


def _world(kind: str, state: Path) -> World:
    if kind == "recording":
        state.mkdir(parents=True, exist_ok=True)
        return RecordingWorld(state / "world.json")
    from lab import open_world  # noqa: PLC0415 -- needs root and a booted lab, which a recording does not

    return open_world(state)


def _accounts(account: str) -> Accounts:
    contabo = Credentials(
        *(_secret(f"CONTABO_{part}") for part in ("CLIENT_ID", "CLIENT_SECRET", "API_USER", "API_PASSWORD"))
    )
    return Accounts(
        hcloud_token=_secret("HCLOUD_TOKEN"),
        cloudflare_token=_secret("CLOUDFLARE_API_TOKEN"),
        cloudflare_account=account,
        contabo=contabo,
        telegram_token=_secret("TELEGRAM_BOT_TOKEN"),
        telegram_chat=_secret("TELEGRAM_CHAT_ID"),
    )


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"{name} is not set; the emulators accept the token given in it")
    return value


if __name__ == "__main__":
    sys.exit(app())
