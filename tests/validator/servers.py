"""A DNS server and scripted mail servers on loopback, in their own thread, with a log of each session."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

PORT = 10025


@dataclass
class Zone:
    """Answers by (name, type): record texts, or an rcode, or `silent`."""

    records: dict[tuple[str, str], list[str] | str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def mail(self, domain: str, *hosts: tuple[int, str, str]) -> None:
        """A domain with exchangers: preference, name, address."""
        self.records[domain, "MX"] = [f"{preference} {name}." for preference, name, _ in hosts]
        for _, name, address in hosts:
            self.records[name, "A"] = [address]

    def answer(self, wire: bytes, *, tcp: bool = False) -> bytes | None:
        """Answer by dnspython, so that both sides of the wire are not ours."""
        question = dns.message.from_wire(wire)
        (asked,) = question.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA
        for _ in range(12):
            found = self.records.get((name, kind))
            alias = self.records.get((name, "CNAME"))
            if found is None and isinstance(alias, list):
                reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "CNAME", *alias))
                name = alias[0].rstrip(".")
                continue
            break
        if found == "silent":
            return None
        if isinstance(found, str):
            reply.set_rcode(dns.rcode.from_text(found))
        elif found:
            reply.answer.append(dns.rrset.from_text(name + ".", 60, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if tcp:
            return reply.to_wire(max_size=65535)
        try:
            return reply.to_wire(max_size=1232)
        except dns.exception.TooBig:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            return reply.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.zone.answer(data)
        if answer is not None:
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]  # a datagram transport


@dataclass
class Log:
    """One session as the server saw it."""

    peer: str
    opened: float
    commands: list[str] = field(default_factory=list)
    closed: float = 0.0

    @property
    def quit(self) -> bool:
        """Whether it ended in QUIT."""
        return bool(self.commands) and self.commands[-1].upper() == "QUIT"

    @property
    def recipients(self) -> list[str]:
        """Addresses asked for."""
        return [line[9:].partition(">")[0] for line in self.commands if line.upper().startswith("RCPT TO:<")]


@dataclass
class Mx:
    """A scripted exchanger.

    Attributes:
        users: Local parts that exist.
        rcpt: Reply to RCPT for a local part; None falls to `users`.
        drop_after: Close instead of answering this command.
    """

    users: set[str] = field(default_factory=set)
    rcpt: Callable[[str], str | None] = lambda _local: None
    unknown: str = "550 5.1.1 User unknown"
    banner: str = "220 mx.test ESMTP"
    ehlo: list[str] = field(
        default_factory=lambda: ["mx.test", "PIPELINING", "SIZE 1000000", "ENHANCEDSTATUSCODES"]
    )
    ehlo_reply: str = ""
    mail: str = "250 2.1.0 Ok"
    banner_delay: float = 0.0
    delay: float = 0.0
    drop_after: str = ""
    connections: int = 0
    recipients: int = 0
    raw: bytes = b""
    tls: ssl.SSLContext | None = None
    break_tls: bool = False
    sessions: list[Log] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        loop = asyncio.get_running_loop()
        log = Log(writer.get_extra_info("peername")[0], loop.time())
        self.sessions.append(log)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await self._talk(reader, writer, log)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the other side is gone, or this world ends
        finally:
            log.closed = loop.time()
            self.open_now -= 1
            writer.close()

    async def _talk(  # noqa: PLR0912 - a script, one branch per command
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Log
    ) -> None:
        async def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
            await writer.drain()

        if self.raw:
            writer.write(self.raw)
            await writer.drain()
            while line := await reader.readline():
                log.commands.append(line.decode().strip())
            return
        if self.connections and self.open_now > self.connections:
            await say("421 4.7.0 mx.test Error: too many connections from you")
            log.commands.append("QUIT")  # refused at the door: nothing to end
            return
        await asyncio.sleep(self.banner_delay)
        await say(self.banner)
        count = 0
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            log.commands.append(text)
            verb = text[:4].upper()
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.drop_after == verb:
                return
            if verb == "EHLO":
                if self.ehlo_reply:
                    await say(self.ehlo_reply)
                    continue
                words = self.ehlo + (["STARTTLS"] if self.tls else [])
                await say(*(f"250{'-' if i < len(words) - 1 else ' '}{word}" for i, word in enumerate(words)))
            elif verb == "STAR":
                await say("220 go on")
                if self.break_tls:
                    writer.write(b"this is not TLS\r\n")
                    return
                await writer.start_tls(self.tls)  # type: ignore[arg-type]  # offered only with a context
                self.tls_done = True
            elif verb == "MAIL":
                await say(self.mail if "<>" not in text else "250 2.1.0 Ok")
            elif verb == "RCPT":
                count += 1
                local = text[9:].partition(">")[0].rpartition("@")[0]
                if self.recipients and count > self.recipients:
                    await say("452 4.5.3 Error: too many recipients")
                    continue
                await say(self.rcpt(local) or ("250 2.1.5 Ok" if local in self.users else self.unknown))
            elif verb == "QUIT":
                await say("221 2.0.0 Bye")
                return
            else:
                await say("250 2.0.0 Ok")


class World:
    """DNS and mail servers in a thread.

    Args:
        listen: Where DNS listens.
    """

    def __init__(self, listen: str = "127.0.0.1") -> None:
        self.zone = Zone()
        self.resolver = (listen, 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        port = self._call(self._dns())
        self.resolver = (self.resolver[0], port)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mx(self, address: str, server: Mx, port: int = PORT) -> Mx:
        """Start a mail server."""
        self._call(asyncio.start_server(server.serve, address, port, limit=1 << 20))
        return server

    def listen(self, address: str, port: int, serve: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Start a server of another kind."""
        self._call(asyncio.start_server(serve, address, port))

    def domain(self, name: str, address: str, server: Mx, preference: int = 10) -> Mx:
        """A domain with one exchanger `mx.<name>`."""
        self.zone.mail(name, (preference, f"mx.{name}", address))
        return self.mx(address, server)

    async def _dns(self) -> int:
        loop, (listen, _) = asyncio.get_running_loop(), self.resolver
        while True:  # until a port is free for both
            udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self.zone), local_addr=(listen, 0))
            port: int = udp.get_extra_info("sockname")[1]
            try:
                await asyncio.start_server(self._dns_tcp, listen, port)
            except OSError:
                udp.close()
                continue
            return port

    async def _dns_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.zone.answer(await reader.readexactly(length), tcp=True)
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    async def _stop(self) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
