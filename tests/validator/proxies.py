"""A SOCKS5 proxy (RFC 1928, RFC 1929) that dials for real, with a log of what it was asked for."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, field

GRANTED, REFUSED = 0, 5


@dataclass
class Socks5:
    """A proxy of one account, or of everybody.

    Attributes:
        account: Name and password to ask for; empty for none.
        outwards: Source address of its own connections.
        silent: Take the connection and say nothing.
    """

    account: tuple[str, str] | None = None
    outwards: str = "127.0.30.99"
    silent: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self.silent:
                await reader.read()
                return
            if await self._let_in(reader, writer):
                await self._dial(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 2 if self.account else 0
        if method not in offered:
            writer.write(b"\x05\xff")
            return False
        writer.write(bytes((5, method)))
        if self.account is None:
            return True
        await reader.readexactly(1)
        said = []
        for _ in range(2):
            (length,) = await reader.readexactly(1)
            said.append((await reader.readexactly(length)).decode())
        right = tuple(said) == self.account
        writer.write(bytes((1, 0 if right else 1)))
        return right

    async def _dial(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, _, _, kind = await reader.readexactly(4)
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append((host, port))
        try:
            inner, outer = await asyncio.open_connection(host, port, local_addr=(self.outwards, 0))
        except OSError:
            writer.write(bytes((5, REFUSED, 0, 1)) + bytes(6))
            return
        writer.write(bytes((5, GRANTED, 0, 1)) + bytes(6))
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()
