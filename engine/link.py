"""The connection to NATS, the same for coordinator and node but for the identity."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error, NoRespondersError
from nats.js.errors import APIError

log = logging.getLogger("engine")

STORAGE_FULL = (10023, 10047, 10077, 10122)
"""JetStream's error codes for no room: server, account, stream, disk (nats-server's `errors.json`)."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where NATS is and who we are.

    Attributes:
        url: `nats://host:port`, or `tls://host:port`.
        seed: File with the nkey seed; empty where the server asks for none.
        ca: File with the authority that signed the server's certificate; empty for the system's.
    """

    url: str
    seed: str = ""
    ca: str = ""


async def connect(
    link: Link, *, name: str, inbox: str, reconnected: Callable[[], None] | None = None
) -> Client:
    """Connect, and go on trying for ever once it has worked.

    Args:
        link: Where to.
        name: For the server's own pages and logs.
        inbox: Prefix of the subjects on which answers come.
        reconnected: Called after each later connection: what was asked before will not be answered.

    Raises:
        ConnectionError: with one line, if the first attempt fails.
    """

    async def on_error(error: Exception) -> None:
        log.info("nats: %s", error or type(error).__name__)

    async def on_reconnect() -> None:
        log.info("nats: connected again")
        if reconnected is not None:
            reconnected()

    try:
        context = ssl.create_default_context(cafile=link.ca or None) if link.url.startswith("tls:") else None
        return await nats.connect(
            link.url,
            name=name,
            tls=context,
            nkeys_seed_str=Path(link.seed).read_text("ascii").strip() if link.seed else None,
            inbox_prefix=inbox,
            error_cb=on_error,
            reconnected_cb=on_reconnect,
            connect_timeout=5,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            # A partition is noticed after half a minute; TCP alone would take a quarter of an hour.
            ping_interval=10,
            max_outstanding_pings=2,
        )
    except (OSError, Error, TimeoutError) as error:
        raise ConnectionError(f"NATS at {link.url}: {error or type(error).__name__}") from error


async def answers(client: Client, seconds: int) -> bool:
    """Whether the server answers within so many seconds."""
    if not client.is_connected:
        return False  # `flush` would return without having asked
    try:
        await client.flush(seconds)
    except (Error, TimeoutError):
        return False
    return client.is_connected


async def close(client: Client) -> None:
    """Send what is still to be sent, but for no longer than 5 s, and close."""
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(5):
            await client.flush()
    await client.close()


def why(error: BaseException) -> str:
    """One line for people about a refused publication."""
    if isinstance(error, APIError) and error.err_code in STORAGE_FULL:
        return f"NATS has no room left ({error.description}); nothing is lost, work waits for room"
    if isinstance(error, NoRespondersError):
        return "NATS has no such stream, or JetStream is off or out of room"
    return f"NATS: {error or type(error).__name__}"
