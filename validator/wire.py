"""DNS messages, as far as finding a mail exchanger needs them (RFC 1035, 3596).

dnspython costs 0.5 to 0.6 ms a query, more than a whole check may; this reads the same bytes in a tenth.
The tests hold it against dnspython, message by message.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

A, CNAME, MX, TXT, PTR, AAAA = 1, 5, 15, 16, 12, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
HEADER = struct.Struct("!HHHHHH")
# The last two bytes of the owner, type, class, TTL, length of the data.
RECORD = struct.Struct("!HHHIH")
QUESTION = struct.Struct("!HH")
# The byte before each label; longer ones there are none.
LENGTHS = [bytes([length]) for length in range(64)]
# Where nearly every record's owner is written, and the end of most exchangers' names: at the question.
TO_QUESTION = 0xC00C
AT_QUESTION = b"\xc0\x0c"
LONGEST_CHAIN = 8
# The header of a query after its number: recursion desired, one question, one additional record (EDNS).
ASKING = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 1)
# EDNS(0): 1232 bytes is the size that crosses every path unfragmented (dnsflagday.net/2020).
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"

_Value = str | tuple[int, str]
_Record = tuple[str, int, int, _Value]  # owner, type, TTL, data


class WireError(Exception):
    """The bytes are no DNS message, or not the answer to the question."""


@dataclass(slots=True)
class Message:
    """An answer.

    Attributes:
        rcode: 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, ...
        truncated: True if TCP must be asked.
        values: The data of the asked type at the end of the CNAME chain: text for A, AAAA, TXT, PTR;
            `(preference, host)` for MX.
        ttl: The least of the chain, seconds.
    """

    rcode: int
    truncated: bool = False
    values: list[_Value] = field(default_factory=list)
    ttl: int = 0


def query(number: int, name: str, kind: int) -> bytes:
    """A recursive question.

    Raises:
        WireError: if the name cannot be asked.
    """
    return b"%b%b%b%b" % (number.to_bytes(2, "big"), ASKING, question(name, kind), OPT)


def question(name: str, kind: int) -> bytes:
    """The part of a query that its answer repeats.

    Raises:
        WireError: if the name cannot be asked.
    """
    try:
        labels = name.rstrip(".").encode("ascii").split(b".")
        encoded = b"".join([LENGTHS[len(label)] + label for label in labels])
    except (UnicodeEncodeError, IndexError):
        raise WireError(f"{name!r} is no host name") from None
    if len(encoded) > 253 or b"" in labels:
        raise WireError(f"{name!r} is no host name")
    return b"%b\x00%b" % (encoded, QUESTION.pack(kind, 1))


def parse(data: bytes, name: str, kind: int, asked: bytes = b"") -> Message:
    """Read the answer to `query(.., name, kind)`.

    Args:
        data: What came.
        name: The name asked for.
        kind: The type asked for.
        asked: What `question` made, if at hand: an answer that repeats it is read sooner.

    Raises:
        WireError: for anything malformed, or an answer to another question.
    """
    try:
        return _parse(data, name.rstrip(".").lower(), kind, asked)
    except (struct.error, IndexError):
        raise WireError("cut short") from None


def _parse(data: bytes, name: str, kind: int, asked: bytes) -> Message:
    _, flags, questions, answers, _, _ = HEADER.unpack_from(data)
    if not flags & 0x8000 or questions != 1:
        raise WireError("not an answer")
    if asked and data.startswith(asked, HEADER.size):
        at = HEADER.size + len(asked)
    else:
        at = _after_question(data, name, kind)
    message = Message(flags & 15, flags & 0x0200 != 0)
    if message.truncated:
        return message
    others: list[_Record] = []
    for _ in range(answers):
        pointer, record_kind, record_class, ttl, length = RECORD.unpack_from(data, at)
        if pointer == TO_QUESTION:
            owner, start = name, at + RECORD.size
        else:
            owner, at = read_name(data, at, name)
            _, record_kind, record_class, ttl, length = RECORD.unpack_from(data, at - 2)
            start = at + RECORD.size - 2
        at = start + length
        if at > len(data):
            raise WireError("cut short")
        if record_class != 1:
            continue
        if record_kind == kind and owner == name:
            message.ttl = min(message.ttl, ttl) if message.values else ttl
            message.values.append(_value(data, start, length, kind, name))
        elif record_kind in (kind, CNAME):
            others.append((owner, record_kind, ttl, _value(data, start, length, record_kind, name)))
    if others and not message.values:
        _follow(message, others, name, kind)
    return message


def _after_question(data: bytes, name: str, kind: int) -> int:
    asked, at = read_name(data, HEADER.size)
    if asked != name or struct.unpack_from("!H", data, at)[0] != kind:
        raise WireError("an answer to another question")
    return at + QUESTION.size


def _follow(message: Message, records: list[_Record], name: str, kind: int) -> None:
    """Look for the data at the end of the chain of aliases that begins at `name`."""
    ttls: list[int] = []
    for _ in range(LONGEST_CHAIN):
        found = [(ttl, value) for owner, what, ttl, value in records if (owner, what) == (name, kind)]
        if found:
            message.values = [value for _, value in found]
            message.ttl = min(ttls + [ttl for ttl, _ in found])
            return
        alias = next((record for record in records if record[:2] == (name, CNAME)), None)
        if alias is None:
            message.ttl = min(ttls, default=0)
            return
        ttls.append(alias[2])
        name = str(alias[3])
    raise WireError("a CNAME chain without end")


def _value(data: bytes, at: int, length: int, kind: int, asked: str) -> _Value:
    if kind == A:
        if length != 4:
            raise WireError("an A record of wrong length")
        return socket.inet_ntoa(data[at : at + 4])
    if kind == AAAA:
        if length != 16:
            raise WireError("an AAAA record of wrong length")
        return socket.inet_ntop(socket.AF_INET6, data[at : at + 16])
    if kind == MX:
        return data[at] << 8 | data[at + 1], read_name(data, at + 2, asked)[0]
    if kind in (CNAME, PTR):
        return read_name(data, at, asked)[0]
    return _text(data[at : at + length])


def _text(data: bytes) -> str:
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts).decode("utf-8", "replace")


def read_name(data: bytes, at: int, asked: str = "") -> tuple[str, int]:
    """A name (lower case, no final dot; the root is `.`) and the offset after it; compression cannot loop.

    Args:
        data: The message.
        at: Where the name begins.
        asked: The name of the question, if it was read already: most others point to it.
    """
    length = data[at]
    if 0 < length < 64 and 0 < len(asked) < 190 and data.startswith(AT_QUESTION, at + 1 + length):
        # One label before the name of the question, `mx.` as a rule.
        return f"{_label(data[at + 1 : at + 1 + length])}.{asked}".lower(), at + 3 + length
    labels: list[str] = []
    after = -1
    limit = at
    size = 0
    while True:
        length = data[at]
        if length == 0:
            return (".".join(labels).lower() or "."), (after if after >= 0 else at + 1)
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[at + 1]
            if after < 0:
                after = at + 2
            if target >= limit:  # a pointer must point back, each further than the last
                raise WireError("a compression pointer that does not point back")
            if target == HEADER.size and asked and size + len(asked) < 255:
                labels.append(asked)
                return ".".join(labels).lower(), after
            at = limit = target
            continue
        if length > 63:
            raise WireError("a label of reserved type")
        size += length + 1
        if size > 255:
            raise WireError("a name longer than 255 bytes")
        label = data[at + 1 : at + 1 + length]
        if len(label) != length:
            raise WireError("cut short")
        labels.append(_label(label))
        at += 1 + length


def _label(raw: bytes) -> str:
    # A dot or a control byte inside a label would read as another name; RFC 4343 writes it as \DDD.
    text = raw.decode("latin-1")
    if raw.isalnum():  # of bytes: ASCII only
        return text
    if text.replace("-", "").replace("_", "").isalnum() and text.isascii():
        return text
    return "".join(
        char if "!" <= char <= "~" and char not in ".\\" else f"\\{ord(char):03d}" for char in text
    )
