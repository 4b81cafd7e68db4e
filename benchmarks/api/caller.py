"""A caller of the REST service on one connection that is kept: as little as HTTP/1.1 needs, and cheap."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request: what it is counted as, what is sent, and the status that is right."""

    name: str
    method: str
    path: str
    body: Any = None
    right: tuple[int, ...] = (200,)


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


class Caller:
    """One connection; calls wait for each other."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, call: Call) -> Reply:
        """Send it; the connection is opened anew where the service closed it.

        Raises:
            OSError, asyncio.IncompleteReadError: there was no whole answer.
        """
        async with self._turn:
            try:
                if self._streams is None or self._streams[0].at_eof():
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(self._request(call))
                return await _reply(reader)
            except (OSError, asyncio.IncompleteReadError):
                self.close()
                raise

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    def _request(self, call: Call) -> bytes:
        head = f"{call.method} {call.path} HTTP/1.1\r\nHost: api\r\nX-API-Key: {self._key}\r\n"
        if call.body is None:
            return f"{head}\r\n".encode()
        body = json.dumps(call.body).encode()
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


async def _reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    _, told, rest = head.partition("content-length:")
    if told:
        return Reply(status, await reader.readexactly(int(rest.partition("\r")[0])))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return Reply(status, body)
