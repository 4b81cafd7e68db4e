"""The asyncio edge of the dialogue: one connection, its time-outs, TLS, transcript."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import cast

from validator.deadlines import Watch
from validator.smtp import Answer, Dialogue, ProtocolError
from validator.status import Stage

UNASKED = Stage.POLICY


class LinkError(Exception):
    """The connection could not be made or went away.

    Attributes:
        kind: refused, timeout, unreachable, disconnected, protocol, tls or proxy.
        answers: What had been answered before, in order.
    """

    def __init__(self, kind: str, message: str, answers: list[Answer] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.answers = answers or []


@dataclass(slots=True)
class Line:
    """One line of a transcript: `>` we said, `<` the server said, `*` what happened."""

    at: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds per step. RFC 5321 section 4.5.3.2 asks for 5 minutes; tarpits use 20 to 30 s."""

    connect: float = 15.0
    banner: float = 60.0
    command: float = 45.0
    goodbye: float = 5.0


class Link(asyncio.Protocol):
    """One connection: bytes to answers, with a time-out per answer.

    Args:
        transcript: Where to keep what is said; None to forget it.
        watch: That of the running loop, shared by all its links.
    """

    __slots__ = (
        "_answers",
        "_leaving",
        "_loop",
        "_on_gone",
        "_then",
        "_timeout",
        "_transport",
        "_trouble",
        "_waiter",
        "_watch",
        "deadline",
        "dialogue",
        "transcript",
    )

    def __init__(self, transcript: list[Line] | None = None, watch: Watch | None = None) -> None:
        self.dialogue = Dialogue()
        self.transcript = transcript
        self._watch = watch or Watch(asyncio.get_running_loop())
        self._loop = self._watch.loop
        self.deadline = inf
        self._timeout = inf
        self._then: Callable[[Link], tuple[bytes, float]] | None = None
        self._answers: list[Answer] = []
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._trouble: LinkError | None = None
        self._on_gone: Callable[[], None] | None = None
        self._leaving = False

    # --- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._watch.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the dialogue; wake whoever waits."""
        try:
            answers = self.dialogue.feed(data)
        except ProtocolError as error:
            self._fail(LinkError("protocol", str(error)))
            return
        if not answers:
            return
        if self.transcript is not None:
            self._note("<", [str(answer.reply) for answer in answers])
        if answers[-1].stage is UNASKED:  # it belongs to no command; older commands are answered before
            if self._leaving:
                self._close()
            answers = tuple(answer for answer in answers if answer.stage is not UNASKED)
        self._answers += answers
        if self._waiter is None:
            return
        if self.dialogue.waiting or self._go_on():
            self.deadline = self._loop.time() + self._timeout  # each answer has its own time
        else:
            self._wake()

    def _go_on(self) -> bool:
        """Say what was to follow a positive answer; false if nothing was."""
        then, self._then = self._then, None
        if then is None or not self._answers[-1].reply.positive:
            return False
        data, self._timeout = then(self)
        self._say(data)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self._watch.discard(self)
        if not self._leaving:
            why = f"the server closed the connection{f': {exc}' if exc else ''}"
            self._fail(LinkError("disconnected", why))
        self._transport = None  # the two hold each other, and would wait for the garbage collector
        if self._on_gone is not None:
            self._on_gone()
            self._on_gone = None

    # --- for the session --------------------------------------------------------------------------

    async def exchange(
        self, data: bytes, timeout: float, then: Callable[[Link], tuple[bytes, float]] | None = None
    ) -> list[Answer]:
        """Send, then wait until every command has its answer.

        Args:
            data: Commands made by `self.dialogue`.
            timeout: Seconds allowed for each answer.
            then: Asked for more commands, and the seconds for their answers, if the last answer is positive
                and did not come before it was waited for. It spares a turn of the loop.

        Raises:
            LinkError: with the answers that did come.
        """
        if data and self._trouble is None:
            self._say(data)
        if self._trouble is None and self.dialogue.waiting:
            self._then = then
            self._timeout = timeout
            self.deadline = self._loop.time() + timeout
            self._waiter = self._loop.create_future()
            await self._waiter
        answers, self._answers = self._answers, []
        if self._trouble is not None and self.dialogue.waiting:
            raise LinkError(self._trouble.kind, str(self._trouble), answers)
        return answers

    def _say(self, data: bytes) -> None:
        if self.transcript is not None:
            self._note(">", data.decode("utf-8", "replace").splitlines())
        if self._transport is not None:
            self._transport.write(data)

    async def secure(self, server_name: str, timeout: float) -> None:
        """Start TLS; the certificate is not verified, as between MTAs (RFC 7435, opportunistic).

        Raises:
            LinkError: kind `tls`.
        """
        if self._transport is None or self._answers:
            raise LinkError("tls", "the server spoke out of turn after STARTTLS")
        try:
            self.dialogue.secured()
            async with asyncio.timeout(timeout):
                made = await self._loop.start_tls(
                    self._transport,
                    self,
                    opportunistic_tls(),
                    server_hostname=server_name or None,
                    ssl_shutdown_timeout=2.0,
                )
        except (OSError, ssl.SSLError, TimeoutError, ProtocolError) as error:
            raise LinkError("tls", f"TLS failed: {error or type(error).__name__}") from None
        if made is None:
            raise LinkError("tls", "TLS failed: the server closed the connection")
        self._transport = made
        self._note("*", ["TLS established"])

    @property
    def source_ip(self) -> str:
        """The address the server sees."""
        if self._transport is None:
            return ""
        name = self._transport.get_extra_info("sockname")
        return str(name[0]) if isinstance(name, tuple) else ""

    def leave(self, on_gone: Callable[[], None], goodbye: float) -> None:
        """Say QUIT and let the connection end by itself; nobody waits for the 221.

        Args:
            on_gone: Called once the connection is closed on both sides.
            goodbye: Seconds after which it is closed from here.
        """
        if self._transport is None or self._transport.is_closing():
            on_gone()
            return
        self._on_gone = on_gone
        self._leaving = True
        self._waiter = None  # who was cancelled waits no more
        data = self.dialogue.quit()
        if self.transcript is not None:
            self._note(">", ["QUIT"])
        try:
            self._transport.write(data)
        except (OSError, RuntimeError):
            self._close()
        self._timeout = goodbye
        self.deadline = self._loop.time() + goodbye

    # --- inside -----------------------------------------------------------------------------------

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def expired(self) -> None:
        """See `validator.deadlines.Waiting`."""
        self._fail(LinkError("timeout", f"no answer within {self._timeout:g} s"))

    def _fail(self, trouble: LinkError) -> None:
        if self._trouble is None:
            self._trouble = trouble
            if not self._leaving:
                self._note("*", [str(trouble)])
        if self._leaving:
            self._close()
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            self.deadline = inf
            waiter.set_result(None)

    def _note(self, who: str, texts: list[str]) -> None:
        if self.transcript is not None:
            now = self._loop.time()
            self.transcript.extend(Line(now, who, text) for text in texts)


@lru_cache(maxsize=1)
def opportunistic_tls() -> ssl.SSLContext:
    """A client context that takes any certificate: encryption against listeners, not identity."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
