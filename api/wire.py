"""HTTP on the wire with a clock: uvicorn's h11 protocol, which has none for slow clients.

uvicorn ends idle connections between two requests, and nothing else: a client that sends its headers, or a
body, a byte a minute, or never reads its answer, holds a connection for ever.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.config import Limits
from api.problems import MEDIA_TYPE, Problem, body_of

LOOK_SECONDS = 1.0
LAST_CALL_SECONDS = 1.0
# What the kernel takes of an answer beyond what is on its way. Its own choice is megabytes where packets are
# large, as on loopback: so much would be made for each client that reads nothing of it.
_UNSENT = 32 * 1024
# Chunked framing around a body that is just small enough.
_SPARE = 1 << 20


def protocol(limits: Limits) -> type[H11Protocol]:
    """The class for `uvicorn.Config(http=...)`."""

    class Wire(_Wire):
        pass

    Wire.limits = limits
    return Wire


class _Wire(H11Protocol):
    """One connection.

    It is in one of three conditions: waiting for a request's headers, taking in a body, or answering. Each
    has its own clock.
    """

    limits: Limits

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._since = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self._taken = 0
        self._unsent = 0
        self._moved = 0.0

    # --- uvicorn's hooks ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers; where there is no room, the longest waiting one goes."""
        super().connection_made(transport)
        line = transport.get_extra_info("socket")
        if line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        self._since = self._moved = self.loop.time()
        if len(self.connections) > self.limits.connections:
            self._make_room()
        self._look_later()

    def data_received(self, data: bytes) -> None:
        """Keep the clock of what the data belongs to."""
        before = self.conn.their_state
        if before is h11.SEND_BODY:
            self._taken += len(data)
        elif before in (h11.IDLE, h11.DONE) and self._idle_between():
            self._since = self.loop.time()
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY and before is not h11.SEND_BODY:
            self._since, self._taken = self.loop.time(), 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        if self._clock is not None:
            self._clock.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The client has read most of what was sent."""
        super().resume_writing()
        self._moved = self.loop.time()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body nobody wants any more."""
        self._since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Take one last request that may be on its way already; uvicorn would drop it unread."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        if CLOSE_HEADER not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE_HEADER]
        self.loop.call_later(LAST_CALL_SECONDS, self._last_call)

    def _last_call(self) -> None:
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def send_400_response(self, _msg: str) -> None:
        """What cannot be read as HTTP gets a problem like everything else."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(Problem(400, "bad_request", "No HTTP/1.1, or headers that are too long."))
        else:
            self.transport.close()

    # --- clocks -------------------------------------------------------------------------------------

    def _idle_between(self) -> bool:
        return self.timeout_keep_alive_task is not None

    def _look_later(self) -> None:
        self._clock = self.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Once a second: has the client had its time? One timer a connection, not one a packet."""
        now = self.loop.time()
        self._look_later()
        if self._reads_nothing(now):
            self.transport.abort()
        elif self.transport.is_closing():
            pass  # the rest of an answer is on its way
        elif self.conn.their_state is h11.IDLE and not self._idle_between():
            if now - self._since > self.limits.header_seconds:
                self._too_slow("headers")
        elif self.conn.their_state is h11.SEND_BODY:
            if self.flow.read_paused:
                self._since += LOOK_SECONDS  # it is us who do not read
            elif now - self._since > self.limits.body_seconds + self._taken / self.limits.body_rate:
                self._too_slow("body")
            elif self._taken > self.limits.upload_bytes + _SPARE:
                self.transport.close()  # answered long ago, and it is still sending

    def _reads_nothing(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._moved = now
        self._unsent = unsent
        return now - self._moved > self.limits.answer_seconds

    def _too_slow(self, what: str) -> None:
        cycle = self.cycle
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and self.conn.their_state is not h11.ERROR:
            self._refuse(Problem(408, "too_slow", f"The request's {what} did not come in time."))
        else:
            self.transport.close()
        if cycle is not None and not cycle.response_complete:
            # The request in hand ends as if its client had left.
            cycle.disconnected = True
            cycle.message_event.set()

    def _refuse(self, problem: Problem) -> None:
        request_id = uuid.uuid4().hex
        body = body_of(problem, request_id)
        headers = [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("X-Request-ID", request_id),
            ("Connection", "close"),
        ]
        try:
            for event in (
                h11.Response(status_code=problem.status_code, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # an answer is under way; closing says enough
        self.transport.close()

    def _make_room(self) -> None:
        waiting = [
            one
            for one in self.connections
            if isinstance(one, _Wire) and one is not self and one.conn.their_state is h11.IDLE
        ]
        victim = min(waiting, key=lambda one: one._since, default=self)
        victim.transport.abort()
