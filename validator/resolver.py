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
from typing import Protocol

from validator import wire
from validator.deadlines import Watch

LEAST_TTL, MOST_TTL, FAILURE_TTL = 30, 3600, 30
SOCKETS = 4
TRIES = (1.5, 3.0, 5.0)
# Datagrams read before the loop turns to others.
READS = 64
# What answers to `wire.query` may be long, and more: a longer one is cut and cannot be read.
LONGEST_PACKET = 4096


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
        # Questions on their way, each with those who ask the same meanwhile.
        self._flying: dict[tuple[str, int], list[asyncio.Future[wire.Message]]] = {}
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
        others = self._flying.get(key)
        if others is not None:
            future: asyncio.Future[wire.Message] = loop.create_future()
            others.append(future)
            return await future
        others = self._flying[key] = []
        try:
            message = await self._ask(*key)
        except BaseException as error:
            failure = DnsError("timeout", f"{name}: question abandoned")
            if isinstance(error, DnsError):
                failure = error
                self._keep(key, error, FAILURE_TTL, loop.time())
            for other in others:
                if not other.done():
                    other.set_exception(DnsError(failure.kind, str(failure)))
            raise
        else:
            self._keep(key, message, min(max(message.ttl, LEAST_TTL), MOST_TTL), loop.time())
            for other in others:
                if not other.done():
                    other.set_result(message)
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
            question = wire.query(0, name, kind)
        except wire.WireError as error:
            raise DnsError("malformed", str(error)) from None
        for patience in TRIES:
            try:
                message = await self._udp().ask(name, kind, question, patience)
                break
            except (TimeoutError, OSError):
                continue
        else:
            raise DnsError("timeout", f"{name}: the resolver {self.host} port {self.port} did not answer")
        if message.truncated:
            message = await self._tcp(name, kind)
        if message.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            word = {wire.SERVFAIL: "servfail", 5: "refused"}.get(message.rcode, "servfail")
            raise DnsError(word, f"{name}: the resolver answered {word.upper()}")
        return message

    def _udp(self) -> _Udp:
        if len(self._sockets) < SOCKETS:
            self._sockets.append(_Udp(self.host, self.port))
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


class _Question:
    """One question on its way to the resolver."""

    __slots__ = ("answer", "deadline", "kind", "name", "packet")

    def __init__(
        self, name: str, kind: int, packet: bytes, answer: asyncio.Future[wire.Message], deadline: float
    ) -> None:
        self.name = name
        self.deadline = deadline
        self.kind = kind
        self.packet = packet
        self.answer = answer

    def expired(self) -> None:
        """See `validator.deadlines.Waiting`."""
        if not self.answer.done():
            self.answer.set_exception(TimeoutError())


class _Udp:
    """One socket; an answer must carry the number and the question it was sent with, or it is not ours.

    Raises:
        OSError: if there is no way to the resolver.
    """

    def __init__(self, host: str, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop)
        self._open: dict[int, _Question] = {}
        self._numbers = array("H")
        self._sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._sock.connect((host, port))
        except OSError:
            self._sock.close()
            raise
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            for _ in range(READS):
                self._received(self._sock.recv(LONGEST_PACKET))
        except BlockingIOError:
            return
        except OSError as error:
            for question in self._open.values():
                if not question.answer.done():
                    question.answer.set_exception(OSError(str(error)))

    def _received(self, data: bytes) -> None:
        question = self._open.get(data[0] << 8 | data[1]) if len(data) >= 12 else None
        if question is None or question.answer.done():
            return
        try:
            message = wire.parse(data, question.name, question.kind, question.packet)
        except wire.WireError as error:
            if "another question" not in str(error):
                question.answer.set_exception(DnsError("malformed", f"{question.name}: {error}"))
            return
        question.answer.set_result(message)

    async def ask(self, name: str, kind: int, packet: bytes, patience: float) -> wire.Message:
        """The answer to a question made by `wire.query`.

        Raises:
            TimeoutError, OSError: if none came; worth another try.
        """
        number = self._number()
        while number in self._open:
            number = self._number()
        question = self._open[number] = _Question(
            name, kind, packet, self._loop.create_future(), self._loop.time() + patience
        )
        self._watch.add(question)
        try:
            self._sock.send(number.to_bytes(2, "big") + packet[2:])
            return await question.answer
        finally:
            self._watch.discard(question)
            del self._open[number]

    def _number(self) -> int:
        """Unguessable (RFC 5452 section 9.2); the system's randomness is asked for many at once."""
        if not self._numbers:
            self._numbers.frombytes(os.urandom(512))
        return self._numbers.pop()

    def close(self) -> None:
        """Close the socket; who waits is told."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for question in self._open.values():
            question.expired()


def system_resolver(path: str = "/etc/resolv.conf") -> tuple[str, int]:
    """The first nameserver of the machine; 127.0.0.1 if none is named."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                return words[1], 53
    return "127.0.0.1", 53
