"""A stub resolver: UDP with fall-back to TCP, one question for one name, answers kept for their TTL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
from array import array
from collections import OrderedDict
from typing import Protocol, cast

from validator import wire

LEAST_TTL, MOST_TTL, FAILURE_TTL = 30, 3600, 30
SOCKETS = 4
TRIES = (1.5, 3.0, 5.0)


class DnsError(Exception):
    """The resolver did not answer usefully.

    Attributes:
        kind: timeout, servfail, refused or malformed.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Questions(Protocol):
    """What the rest of the room asks of DNS; a simulation has its own."""

    async def ask(self, name: str, kind: int) -> wire.Message:
        """The answer, NOERROR or NXDOMAIN.

        Raises:
            DnsError: for everything else.
        """


class Resolver:
    """Asks one recursive resolver, which is expected to be near and to validate (unbound on every node)."""

    def __init__(self, host: str, port: int = 53, *, kept: int = 1024) -> None:
        self.host = host
        self.port = port
        self._kept = kept
        self._cache: OrderedDict[tuple[str, int], tuple[float, wire.Message | DnsError]] = OrderedDict()
        self._flying: dict[tuple[str, int], asyncio.Future[wire.Message]] = {}
        self._sockets: list[_Udp] = []
        self._turn = 0

    async def ask(self, name: str, kind: int) -> wire.Message:
        """See `Questions`."""
        key = (name.rstrip(".").lower(), kind)
        loop = asyncio.get_running_loop()
        kept = self._cache.get(key)
        if kept is not None and kept[0] > loop.time():
            if isinstance(kept[1], DnsError):
                raise DnsError(kept[1].kind, str(kept[1]))
            return kept[1]
        flying = self._flying.get(key)
        if flying is not None:
            return await asyncio.shield(flying)
        future = self._flying[key] = loop.create_future()
        try:
            message = await self._ask(*key)
        except BaseException as error:
            failure = (
                error if isinstance(error, DnsError) else DnsError("timeout", f"{name}: question abandoned")
            )
            if isinstance(error, DnsError):
                self._keep(key, error, FAILURE_TTL, loop.time())
            future.set_exception(failure)
            future.exception()  # nobody may be waiting
            raise
        else:
            self._keep(key, message, min(max(message.ttl, LEAST_TTL), MOST_TTL), loop.time())
            future.set_result(message)
            return message
        finally:
            del self._flying[key]

    def close(self) -> None:
        """Close the sockets."""
        for udp in self._sockets:
            udp.close()
        self._sockets.clear()

    def _keep(self, key: tuple[str, int], value: wire.Message | DnsError, ttl: float, now: float) -> None:
        self._cache[key] = (now + ttl, value)
        if len(self._cache) > self._kept:
            self._cache.popitem(last=False)

    async def _ask(self, name: str, kind: int) -> wire.Message:
        try:
            wire.query(0, name, kind)
        except wire.WireError as error:
            raise DnsError("malformed", str(error)) from None
        message = None
        for patience in TRIES:
            with contextlib.suppress(TimeoutError, OSError):
                udp = await self._udp()
                message = await udp.ask(name, kind, patience)
                break
        if message is None:
            raise DnsError("timeout", f"{name}: the resolver {self.host} port {self.port} did not answer")
        if message.truncated:
            message = await self._tcp(name, kind)
        if message.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            word = {wire.SERVFAIL: "servfail", 5: "refused"}.get(message.rcode, "servfail")
            raise DnsError(word, f"{name}: the resolver answered {word.upper()}")
        return message

    async def _udp(self) -> _Udp:
        if len(self._sockets) < SOCKETS:
            loop = asyncio.get_running_loop()
            made = await loop.create_datagram_endpoint(_Udp, remote_addr=(self.host, self.port))
            self._sockets.append(made[1])
        self._turn += 1
        return self._sockets[self._turn % len(self._sockets)]

    async def _tcp(self, name: str, kind: int) -> wire.Message:
        writer = None
        try:
            async with asyncio.timeout(TRIES[-1]):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                question = wire.query(secrets.randbits(16), name, kind)
                writer.write(struct.pack("!H", len(question)) + question)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return wire.parse(await reader.readexactly(length), name, kind)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            raise DnsError("timeout", f"{name}: the resolver did not answer over TCP") from None
        except wire.WireError as error:
            raise DnsError("malformed", f"{name}: {error}") from None
        finally:
            if writer is not None:
                writer.close()


class _Udp(asyncio.DatagramProtocol):
    """One socket; an answer must carry the number and the question it was sent with, or it is not ours."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, int, asyncio.Future[wire.Message]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._numbers = array("H")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        asked = self._open.get(data[0] << 8 | data[1]) if len(data) >= 12 else None
        if asked is None or asked[2].done():
            return
        try:
            message = wire.parse(data, asked[0], asked[1])
        except wire.WireError as error:
            if "another question" not in str(error):
                asked[2].set_exception(DnsError("malformed", f"{asked[0]}: {error}"))
            return
        asked[2].set_result(message)

    def error_received(self, exc: Exception) -> None:
        for _, _, future in self._open.values():
            if not future.done():
                future.set_exception(OSError(str(exc)))

    async def ask(self, name: str, kind: int, patience: float) -> wire.Message:
        loop = asyncio.get_running_loop()
        number = self._number()
        while number in self._open:
            number = self._number()
        future: asyncio.Future[wire.Message] = loop.create_future()
        self._open[number] = (name, kind, future)
        timer = loop.call_later(patience, _expire, future)
        try:
            if self._transport is None or self._transport.is_closing():
                raise OSError("socket closed")
            self._transport.sendto(wire.query(number, name, kind))
            return await future
        finally:
            timer.cancel()
            del self._open[number]

    def _number(self) -> int:
        """Unguessable (RFC 5452 section 9.2); the system's randomness is asked for many at once."""
        if not self._numbers:
            self._numbers.frombytes(os.urandom(512))
        return self._numbers.pop()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _expire(future: asyncio.Future[wire.Message]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def system_resolver(path: str = "/etc/resolv.conf") -> tuple[str, int]:
    """The first nameserver of the machine; 127.0.0.1 if none is named."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                return words[1], 53
    return "127.0.0.1", 53
