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
from collections.abc import Iterator
from itertools import cycle
from math import inf
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

_Key = tuple[str, int]  # name in lower case without a final dot, type


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
    """Asks one recursive resolver, which is expected to be near and to validate (unbound on every node).

    Belongs to the loop in which it is first asked.
    """

    def __init__(self, host: str, port: int = 53, *, kept: int = 1024) -> None:
        self.host = host
        self.port = port
        self._kept = kept
        self._cache: OrderedDict[_Key, tuple[float, wire.Message | DnsError]] = OrderedDict()
        self._flying: dict[_Key, _Question] = {}
        self._sockets: list[_Udp] = []
        self._turns: Iterator[_Udp] = iter(())

    async def ask(self, name: str, kind: int) -> wire.Message:
        """See `Questions`."""
        key = (name.rstrip(".").lower(), kind)
        loop = asyncio.get_running_loop()
        kept = self._cache.get(key)
        if kept is not None and kept[0] > loop.time():
            if isinstance(kept[1], DnsError):
                raise DnsError(kept[1].kind, str(kept[1]))
            return kept[1]
        answer: asyncio.Future[wire.Message] = loop.create_future()
        question = self._flying.get(key)
        if question is not None:
            question.askers.append(answer)
        else:
            question = self._flying[key] = _Question(self, key, answer)
            question.begin()
        return await answer

    def close(self) -> None:
        """Close the sockets; who waits is told."""
        for question in list(self._flying.values()):
            question.failed("timeout", "question abandoned")
        for udp in self._sockets:
            udp.close()
        self._sockets.clear()

    def known(self, key: _Key, found: wire.Message | DnsError, ttl: float) -> None:
        """Keep what a question brought for `ttl` seconds; it is no longer on its way."""
        del self._flying[key]
        self._cache[key] = asyncio.get_running_loop().time() + ttl, found
        if len(self._cache) > self._kept:
            self._cache.popitem(last=False)

    def udp(self) -> _Udp:
        """The socket whose turn it is.

        Raises:
            OSError: if there is no way to the resolver.
        """
        if not self._sockets:
            self._sockets = [_Udp(self.host, self.port) for _ in range(SOCKETS)]
            self._turns = cycle(self._sockets)
        return next(self._turns)

    async def tcp(self, name: str, kind: int) -> wire.Message:
        """The answer over TCP.

        Raises:
            TimeoutError, OSError, EOFError, wire.WireError: if none came that can be read.
        """
        writer = None
        try:
            async with asyncio.timeout(TRIES[-1]):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                question = wire.query(secrets.randbits(16), name, kind)
                writer.write(struct.pack("!H", len(question)) + question)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return wire.parse(await reader.readexactly(length), name, kind)
        finally:
            if writer is not None:
                writer.close()


class _Question:
    """One question on its way to the resolver, and those who wait for its answer.

    Attributes:
        asked: The bytes that an answer to it repeats.
        number: The one it was last sent under.
        deadline: See `validator.deadlines.Waiting`.
    """

    __slots__ = ("_over_tcp", "_resolver", "_tries", "_udp", "asked", "askers", "deadline", "key", "number")

    def __init__(self, resolver: Resolver, key: _Key, asker: asyncio.Future[wire.Message]) -> None:
        self._resolver = resolver
        self.key = key
        self.askers = [asker]
        self.asked = b""
        self.number = 0
        self.deadline = inf
        self._tries = 0
        self._udp: _Udp | None = None
        self._over_tcp: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Send it for the first time."""
        try:
            self.asked = wire.question(*self.key)
        except wire.WireError as error:
            self.failed("malformed", str(error))
        else:
            self.again()

    def again(self) -> None:
        """Send it, or give it up if it was sent often enough."""
        while self._tries < len(TRIES):
            patience = TRIES[self._tries]
            self._tries += 1
            try:
                self._udp = self._resolver.udp()
                self._udp.send(self, patience)
            except OSError:
                continue
            return
        where = f"{self._resolver.host} port {self._resolver.port}"
        self.failed("timeout", f"the resolver {where} did not answer")

    def expired(self) -> None:
        """See `validator.deadlines.Waiting`."""
        self._leave()
        self.again()

    def received(self, data: bytes) -> None:
        """Read what came under its number; an answer to another question is none."""
        try:
            message = wire.parse(data, *self.key, self.asked)
        except wire.WireError as error:
            if "another question" not in str(error):
                self.failed("malformed", str(error))
            return
        self._leave()
        if message.truncated:
            self._over_tcp = asyncio.get_running_loop().create_task(self._ask_over_tcp())
        else:
            self._answered(message)

    def failed(self, kind: str, why: str) -> None:
        """Tell those who wait that there is no answer."""
        self._leave()
        if self._over_tcp is not None:
            self._over_tcp.cancel()
        error = DnsError(kind, f"{self.key[0]}: {why}")
        self._resolver.known(self.key, error, FAILURE_TTL)
        for asker in self.askers:
            if not asker.done():
                asker.set_exception(DnsError(kind, str(error)))

    def _answered(self, message: wire.Message) -> None:
        if message.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            word = "refused" if message.rcode == wire.REFUSED else "servfail"
            self.failed(word, f"the resolver answered {word.upper()}")
            return
        self._resolver.known(self.key, message, min(max(message.ttl, LEAST_TTL), MOST_TTL))
        for asker in self.askers:
            if not asker.done():
                asker.set_result(message)

    async def _ask_over_tcp(self) -> None:
        try:
            message = await self._resolver.tcp(*self.key)
        except (OSError, EOFError):  # a TimeoutError is an OSError
            self.failed("timeout", "the resolver did not answer over TCP")
        except wire.WireError as error:
            self.failed("malformed", str(error))
        else:
            self._answered(message)

    def _leave(self) -> None:
        """Expect nothing from the socket any more."""
        if self._udp is not None:
            self._udp.forget(self)
            self._udp = None


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
                data = self._sock.recv(LONGEST_PACKET)
                question = self._open.get(data[0] << 8 | data[1]) if len(data) >= wire.HEADER.size else None
                if question is not None:
                    question.received(data)
        except BlockingIOError:
            return
        except OSError:
            for question in list(self._open.values()):
                question.expired()

    def send(self, question: _Question, patience: float) -> None:
        """Send it under a number nobody can guess (RFC 5452 section 9.2).

        Args:
            question: Told by `received` and `expired`; `forget` ends that.
            patience: Seconds to wait.

        Raises:
            OSError: if it cannot be sent; worth another try.
        """
        number = self._numbers.pop() if self._numbers else self._more_numbers()
        while number in self._open:
            number = self._more_numbers()
        self._sock.send(b"%b%b%b%b" % (number.to_bytes(2, "big"), wire.ASKING, question.asked, wire.OPT))
        question.number = number
        question.deadline = self._loop.time() + patience
        self._open[number] = question
        self._watch.add(question)

    def forget(self, question: _Question) -> None:
        """Take no answer for it, and no more time."""
        if self._open.get(question.number) is question:
            del self._open[question.number]
            self._watch.discard(question)

    def _more_numbers(self) -> int:
        """One number; the system's randomness is asked for many at once."""
        self._numbers = array("H", os.urandom(512))
        return self._numbers.pop()

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()


def system_resolver(path: str = "/etc/resolv.conf") -> tuple[str, int]:
    """The first nameserver of the machine; 127.0.0.1 if none is named."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                return words[1], 53
    return "127.0.0.1", 53
