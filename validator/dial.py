"""How a connection is made: from which source address, or through a SOCKS5 proxy."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from validator.deadlines import Patience, Watch
from validator.transport import Line, Link, LinkError


class Connector(Protocol):
    """How a session gets its link; a simulation has its own."""

    async def __call__(
        self, ip: str, port: int, source: str, timeout: float, transcript: list[Line] | None
    ) -> Link:
        """Dial.

        Raises:
            LinkError: kind refused, timeout, unreachable or proxy.
        """


class TcpConnector:
    """Dials from a given source address, or through a SOCKS5 proxy.

    The proxy is off by default: behind it HELO, PTR and A cannot agree, and the address that servers judge is
    somebody else's, so answers get worse and the blame goes to a stranger.
    """

    def __init__(self, proxy: str = "") -> None:
        self.proxy = proxy
        self._watch: Watch | None = None

    async def __call__(
        self, ip: str, port: int, source: str, timeout: float, transcript: list[Line] | None
    ) -> Link:
        """Dial; see `Connector`."""
        loop = asyncio.get_running_loop()
        watch = self._watch
        if watch is None or watch.loop is not loop:
            watch = self._watch = Watch(loop)
        link = Link(transcript, watch)
        try:
            with Patience(watch, timeout):
                if not (self.proxy or source):
                    await loop.create_connection(lambda: link, ip, port)
                    return link
                sock = await self._proxied(ip, port) if self.proxy else await _dial(loop, ip, port, source)
            await loop.create_connection(lambda: link, sock=sock)
        except TimeoutError:
            raise LinkError("timeout", f"no connection to {ip} port {port} within {timeout:g} s") from None
        except ConnectionRefusedError:
            raise LinkError("refused", f"{ip} port {port} refused the connection") from None
        except OSError as error:
            kind = "proxy" if self.proxy else "unreachable"
            raise LinkError(kind, f"{ip} port {port}: {error.strerror or error}") from None
        return link

    async def _proxied(self, ip: str, port: int) -> socket.socket:
        from python_socks import ProxyError  # noqa: PLC0415 - only when a proxy is asked for
        from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

        try:
            return await Proxy.from_url(self.proxy).connect(dest_host=ip, dest_port=port)
        except ProxyError as error:
            raise OSError(f"proxy: {error}") from None


async def _dial(loop: asyncio.AbstractEventLoop, ip: str, port: int, source: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source:
            # Linux: the port is chosen at connect(), so one source can reach many servers from the same port.
            sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            sock.bind((source, 0))
        await loop.sock_connect(sock, (ip, port))
    except BaseException:
        sock.close()
        raise
    return sock
