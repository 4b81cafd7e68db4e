"""What the messages say. Reading one checks it, because it comes from another host. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from validator.status import Status

MOST_TEXT = 1000
"""Characters of an address that are carried; 254 are allowed, so what is longer is wrong either way."""

MOST_BYTES = 256 * 1024
"""Of the addresses of a chunk, and of the verdicts of a report: far below the megabyte of a NATS message."""


def kept(address: str) -> str:
    """An address as it is stored and comes back: PostgreSQL takes no NUL and no bytes that are not UTF-8."""
    return address[:MOST_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def size(value: object) -> int:
    """Bytes of a value on the wire, where a character may take twelve."""
    return len(json.dumps(value))


class BadMessage(ValueError):
    """A message that cannot be read; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Work: addresses of one job for one queue.

    Attributes:
        job: The job's id.
        number: The chunk's number within the job.
        turn: How often the coordinator has handed it out; a later turn replaces an earlier one.
        queue: Its queue.
        rows: Place in the list and address.
    """

    job: str
    number: int
    turn: int
    queue: str
    rows: tuple[tuple[int, str], ...]

    @property
    def key(self) -> str:
        """What JetStream knows it by, so that a repeated publication is stored once."""
        return f"{self.job}.{self.number}.{self.turn}"

    def encode(self) -> bytes:
        """For the wire."""
        return json.dumps([self.job, self.number, self.turn, self.queue, self.rows]).encode()

    @classmethod
    def decode(cls, data: bytes) -> Chunk:
        """From the wire.

        Raises:
            BadMessage: if it is none.
        """
        try:
            job, number, turn, queue, rows = json.loads(data)
            return cls(
                str(job),
                int(number),
                int(turn),
                str(queue),
                tuple((int(place), str(text)) for place, text in rows),
            )
        except (ValueError, TypeError, RecursionError) as error:
            raise BadMessage(f"chunk: {error}") from None


@dataclass(frozen=True, slots=True)
class Report:
    """What a node found out, or why it stopped.

    Attributes:
        job, number, turn: The chunk.
        verdicts: Place in the list and `Verdict.to_dict()`.
        back: Places that this node gives back without having asked, because the operator wants silence.
        over: The node is done with the chunk; what has no verdict by then is to be handed out again.
        tries: Set if nobody could finish the chunk in so many deliveries.
    """

    job: str
    number: int
    turn: int
    verdicts: tuple[tuple[int, dict[str, Any]], ...] = ()
    back: tuple[int, ...] = ()
    over: bool = False
    tries: int = 0

    def encode(self) -> bytes:
        """For the wire."""
        head = [self.job, self.number, self.turn, self.back, self.over, self.tries]
        return json.dumps([head, self.verdicts]).encode()

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """From the wire.

        Raises:
            BadMessage: if it is none, or has a status that does not exist.
        """
        try:
            (job, number, turn, back, over, tries), verdicts = json.loads(data, parse_constant=_no_number)
            for place, found in verdicts:
                Status(found["status"])
                _fits(place)
            return cls(
                _plain(job),
                _fits(number),
                _fits(turn),
                tuple((int(place), dict(found)) for place, found in verdicts),
                tuple(_fits(place) for place in back),
                bool(over),
                _fits(tries),
            )
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadMessage(f"report: {error}") from None


@dataclass(frozen=True, slots=True)
class Pulse:
    """A node's heartbeat.

    Attributes:
        active: Addresses it is asking for.
        chunks: Chunks in its hands.
        cooling: Operators that asked it to be silent.
        trouble: What keeps it from working, in one line; empty if nothing does.
    """

    active: int = 0
    chunks: int = 0
    cooling: tuple[str, ...] = ()
    trouble: str = ""

    def encode(self) -> bytes:
        """For the wire."""
        return json.dumps([self.active, self.chunks, self.cooling, self.trouble]).encode()

    @classmethod
    def decode(cls, data: bytes) -> Pulse:
        """From the wire.

        Raises:
            BadMessage: if it is none.
        """
        try:
            active, chunks, cooling, trouble = json.loads(data)
            names = tuple(_plain(name)[:100] for name in cooling[:100])
            return cls(_fits(active), _fits(chunks), names, _plain(trouble)[:300])
        except (ValueError, TypeError, RecursionError) as error:
            raise BadMessage(f"heartbeat: {error}") from None


def _fits(number: object) -> int:
    """A number that PostgreSQL's `integer` holds: a stranger's larger one must not end a transaction."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 31:
        raise ValueError(f"{number!r} is not a number between 0 and 2147483647")
    return number


def _plain(text: object) -> str:
    """Text that PostgreSQL stores."""
    return str(text).replace("\0", "").encode("utf-8", "replace").decode()


def _no_number(word: str) -> object:
    """`NaN` and its kin: Python reads them, PostgreSQL rightly does not."""
    raise ValueError(f"{word} is not JSON")
