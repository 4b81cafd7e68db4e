"""A mail server and a DNS server on loopback for benchmarks.

`python -m benchmarks.validator.sink SMTP_PORT DNS_PORT DELAY`: every name `dN.test` has one MX
`mx.dN.test` at one address of 127.64.0.0/16. Local parts that begin with `user` exist. Each reply
comes DELAY seconds after its command, commands in one packet together, as a distant server's would.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import zlib

import uvloop


class Sink(asyncio.Protocol):
    """One session; PIPELINING offered."""

    delay = 0.05
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Sink.count += 1
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP
        self.loop = asyncio.get_running_loop()
        self.rest = b""
        self._later(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        out = b""
        for line in lines:
            verb = line[:4].upper()
            if verb == b"EHLO":
                out += b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
            elif verb == b"RCPT":
                known = line[9:13] == b"user"
                out += b"250 2.1.5 Ok\r\n" if known else b"550 5.1.1 User unknown\r\n"
            elif verb == b"QUIT":
                self._later(b"221 2.0.0 Bye\r\n", close=True)
                return
            else:
                out += b"250 2.0.0 Ok\r\n"
        if out:
            self._later(out)

    def _later(self, out: bytes, *, close: bool = False) -> None:
        if self.delay:
            self.loop.call_later(self.delay, self._say, out, close)
        else:
            self._say(out, close)

    def _say(self, out: bytes, close: bool) -> None:
        if not self.transport.is_closing():
            self.transport.write(out)
            if close:
                self.transport.close()


def address_of(wire_name: bytes) -> bytes:
    """Four bytes in 127.64.0.0/16 for a name in wire form."""
    crc = zlib.crc32(wire_name)
    return bytes([127, 64, crc & 0x3F, 1 + (crc >> 8) % 250])


class Names(asyncio.DatagramProtocol):
    """Answers MX with mx.<name> and A with an address of 127.64.0.0/16 by hash; AAAA and TXT with nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]  # UDP
        # Hundreds ask at once; a question lost is a second of waiting that nobody measured is to blame for.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.index(b"\x00", 12) + 1
        kind = struct.unpack_from("!H", data, end)[0]
        question = data[12 : end + 4]
        answer = b""
        if kind == 15:
            host = b"\x02mx\xc0\x0c"
            answer = b"\xc0\x0c" + struct.pack("!HHIHH", 15, 1, 3600, 2 + len(host), 10) + host
        elif kind == 1:
            answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4) + address_of(data[12:end])
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if answer else 0, 0, 0)
        self.transport.sendto(header + question + answer, addr)


async def main(smtp_port: int, dns_port: int, delay: float) -> None:
    """Serve until killed."""
    Sink.delay = delay
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "0.0.0.0", smtp_port, backlog=4096)  # noqa: S104 - loopback /8 addresses
    await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", dns_port))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
