"""The SMTP dialogue as a state machine without I/O (RFC 5321, 2920, 3207, 6531).

`Dialogue` turns intentions into bytes and bytes into answers, knows which command an answer belongs to, and
refuses what may not be said in the present state. It never sends DATA: there is no method for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from validator.reply import Reply, parse_lines
from validator.status import Stage

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
UNASKABLE = re.compile(r"[\x00-\x1f\x7f<>]")
RCPT_BETWEEN = ">\r\nRCPT TO:<"
# RFC 5321 section 4.5.3.1.5 allows 512 octets in a reply line; servers exceed it, but none needs more than
# this.
LONGEST_LINE = 4096
LONGEST_REPLY = 65536
MOST_LINES = 256
# Servers repeat themselves: what one read brought is kept read, if it is short and whole.
LONGEST_KEPT = 512
MOST_KEPT = 256
MAIL, RCPT = Stage.MAIL, Stage.RCPT  # a member looked up in its class costs Python 3.11 as much as a call


class ProtocolError(Exception):
    """The server does not speak SMTP; the message says how."""


class State(Enum):
    """What the dialogue waits for or allows."""

    BANNER = "banner"
    GREETED = "greeted"
    READY = "ready"
    MAIL = "mail"
    CLOSING = "closing"


BANNER, READY, IN_MAIL, CLOSING = State.BANNER, State.READY, State.MAIL, State.CLOSING
NO_EXTENSIONS: Mapping[str, str] = MappingProxyType({})
# The state after a positive answer.
LEADS_TO = {Stage.BANNER: State.GREETED, Stage.EHLO: State.READY, Stage.MAIL: State.MAIL}


class Answer(NamedTuple):
    """A reply and the stage of the command it answers."""

    stage: Stage
    reply: Reply


class _Said(NamedTuple):
    """A reply and the lines it was read from, without code and separator."""

    reply: Reply
    lines: tuple[str, ...]


class _Heard(NamedTuple):
    """What some replies come to where certain commands wait for theirs.

    Attributes:
        answers: The replies with their commands; of stage POLICY those that belong to none.
        pending: The commands that wait still.
        state: The state they lead to; None if they change nothing.
        extensions: Those of the server, if one of the replies names them.
    """

    answers: tuple[Answer, ...]
    pending: tuple[Stage, ...]
    state: State | None
    extensions: Mapping[str, str] | None


class Dialogue:
    """One SMTP session from the client's side.

    Attributes:
        state: Where the session stands, as the answers so far have put it.
        extensions: EHLO keywords of the server, upper case, with their parameters.
    """

    __slots__ = ("_pending", "_reader", "extensions", "state")

    def __init__(self) -> None:
        self.state = BANNER
        self.extensions = NO_EXTENSIONS
        self._pending: tuple[Stage, ...] = (Stage.BANNER,)
        # What has begun to come and is not whole; nearly always nothing.
        self._reader: _Reader | None = None

    @property
    def waiting(self) -> int:
        """Answers still owed by the server."""
        return len(self._pending)

    @property
    def pipelining(self) -> bool:
        """The server takes several commands at once (RFC 2920)."""
        return "PIPELINING" in self.extensions

    @property
    def smtputf8(self) -> bool:
        """The server takes addresses beyond ASCII (RFC 6531)."""
        return "SMTPUTF8" in self.extensions

    # --- what we say ------------------------------------------------------------------------------

    def ehlo(self, name: str) -> bytes:
        """Greet with EHLO."""
        self._need(State.GREETED, State.READY)
        return self._command(Stage.EHLO, f"EHLO {name}")

    def helo(self, name: str) -> bytes:
        """Greet with HELO, for servers without EHLO."""
        self._need(State.GREETED)
        return self._command(Stage.EHLO, f"HELO {name}")

    def starttls(self) -> bytes:
        """Ask for TLS; after a 220 call `secured`."""
        self._need(State.READY)
        if self._pending:
            raise ProtocolError("STARTTLS must be sent alone")
        return self._command(Stage.STARTTLS, "STARTTLS")

    def secured(self) -> None:
        """TLS is up: what was learned in the clear is void (RFC 3207 section 4.2)."""
        if self._reader is not None:
            raise ProtocolError("plain text after STARTTLS")
        self.extensions = NO_EXTENSIONS
        self.state = State.GREETED

    def mail(self, sender: str, *, utf8: bool = False) -> bytes:
        """Open a transaction; an empty sender is the null path."""
        self._need(READY)
        return self._command(MAIL, f"MAIL FROM:<{sender}>{' SMTPUTF8' if utf8 else ''}")

    def rcpt(self, *addresses: str) -> bytes:
        """Ask for recipients, with pipelining several at once; these may follow MAIL before its answer."""
        if self.state is not IN_MAIL:
            self._need(READY)
            if MAIL not in self._pending:
                raise ProtocolError("RCPT before MAIL")
        if not all(addresses) or UNASKABLE.search("".join(addresses)):
            raise ProtocolError("not an address for RCPT")
        self._pending += (RCPT,) * len(addresses)
        return f"RCPT TO:<{RCPT_BETWEEN.join(addresses)}>\r\n".encode()

    def rset(self) -> bytes:
        """Drop the transaction."""
        self._need(State.MAIL, State.READY)
        self.state = State.READY
        return self._command(Stage.RSET, "RSET")

    def quit(self) -> bytes:
        """Say good-bye; allowed at any time, even to a server that never greeted."""
        self.state = CLOSING
        return b"QUIT\r\n"

    def _command(self, stage: Stage, line: str) -> bytes:
        said = _spelled(line)
        self._pending += (stage,)
        return said

    def _need(self, *states: State) -> None:
        if self.state not in states:
            raise ProtocolError(f"not allowed in state {self.state.value}")

    # --- what we hear -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> tuple[Answer, ...]:
        """Take bytes from the server; the answers they complete.

        Raises:
            ProtocolError: on a line or reply without end, or a line that is no reply.
        """
        heard = (
            _hear_whole(data, self._pending) if self._reader is None and len(data) <= LONGEST_KEPT else None
        )
        answers, self._pending, state, extensions = heard or _hear(self._read(data), self._pending)
        if state is not None and self.state is not CLOSING:
            self.state = state
            if extensions is not None:
                self.extensions = extensions
        return answers

    def _read(self, data: bytes) -> list[_Said]:
        reader = self._reader or _Reader()
        said = reader.read(data)
        self._reader = reader if reader.rest or reader.lines else None
        return said


def _hear(replies: Sequence[_Said], pending: tuple[Stage, ...]) -> _Heard:
    answers: list[Answer] = []
    state, extensions = None, None
    for place, (reply, lines) in enumerate(replies):
        # 421 may come unasked (RFC 5321 section 3.8); anything after QUIT is its good-bye.
        stage = pending[place] if place < len(pending) else Stage.POLICY
        answers.append(Answer(stage, reply))
        if reply.code < 300 and stage in LEADS_TO:
            state = LEADS_TO[stage]
            if stage is Stage.EHLO:
                extensions = _extensions(lines)
    return _Heard(tuple(answers), pending[len(replies) :], state, extensions)


@lru_cache(MOST_KEPT)
def _hear_whole(data: bytes, pending: tuple[Stage, ...]) -> _Heard | None:
    """What these bytes come to; None if they are anything but whole replies."""
    reader = _Reader()
    try:
        said = reader.read(data)
    except ProtocolError:
        return None
    return None if reader.rest or reader.lines else _hear(said, pending)


@lru_cache(MOST_KEPT)
def _spelled(line: str) -> bytes:
    """A command as it goes over the wire; most are the same in every session."""
    if CONTROL.search(line):
        raise ProtocolError("control character in a command")
    return f"{line}\r\n".encode()


class _Reader:
    """Bytes to replies.

    Attributes:
        rest: The beginning of a line.
        lines: Those of a reply that goes on.
    """

    __slots__ = ("lines", "rest", "size")

    def __init__(self) -> None:
        self.rest = b""
        self.lines: list[str] = []
        self.size = 0

    def read(self, data: bytes) -> list[_Said]:
        """Take bytes; the replies they complete."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            raise ProtocolError(f"a line longer than {LONGEST_LINE} bytes")
        return [said for said in map(self._take, lines) if said is not None]

    def _take(self, line: bytes) -> _Said | None:
        """Take one line; the reply it completes."""
        self.size += len(line)
        if self.size > LONGEST_REPLY or len(self.lines) >= MOST_LINES:
            raise ProtocolError("a reply without end")
        code, more, text = _read_line(line)
        self.lines.append(text)
        if more:
            return None
        lines, self.lines, self.size = self.lines, [], 0
        return _Said(parse_lines(code, lines), tuple(lines))


def _read_line(line: bytes) -> tuple[int, bool, str]:
    """The code of a reply's line, whether another line follows, and the text.

    Raises:
        ProtocolError: if it is no such line.
    """
    digits, mark, text = line[:3], line[3:4], line[4:].rstrip(b"\r")
    # RFC 5321 section 4.2: three digits and a hyphen or a space; a bare code is tolerated (section 4.3.2).
    if not (len(digits) == 3 and digits.isdigit() and b"2" <= digits[:1] <= b"5" and mark in b"- \r\t"):
        raise ProtocolError(f"not an SMTP reply: {line[:60].decode('ascii', 'backslashreplace')!r}")
    return int(digits), mark == b"-", _readable(text)


def _extensions(lines: tuple[str, ...]) -> Mapping[str, str]:
    """Keywords of an EHLO reply, upper case, with their parameters."""
    words = [line.strip().split(" ", 1) for line in lines[1:]]
    return MappingProxyType({word[0].upper(): (word[1] if len(word) > 1 else "") for word in words})


def _readable(text: bytes) -> str:
    """Server text for people and rules: any encoding, no control characters."""
    try:
        readable = text.decode("utf-8")
    except UnicodeDecodeError:
        readable = text.decode("latin-1")
    if readable.isprintable():
        return readable
    return "".join(char if char.isprintable() else " " for char in readable)
