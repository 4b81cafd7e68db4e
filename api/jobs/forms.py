"""Addresses and verdicts as the job store's file has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from validator import Stage, Status, Verdict

# RFC 5321 allows 254 characters: what is longer is no address, and its rest says no more.
LONGEST_ADDRESS = 1024


class Digest:
    """What tells two lists apart."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=32)

    def add(self, addresses: Iterable[bytes]) -> None:
        """Append, each with its length, so that no two lists read the same."""
        self._hash.update(b"".join([b"%d:%b" % (len(address), address) for address in addresses]))

    def value(self) -> bytes:
        """Of all that was added."""
        return self._hash.digest()


def encode(address: str) -> bytes:
    """An address for the file; unpaired surrogates, which stand for bytes that are no text, survive."""
    return address[:LONGEST_ADDRESS].encode("utf-8", "surrogatepass")


def decode(text: bytes) -> str:
    """The address again, as the validator is to see it."""
    return text.decode("utf-8", "surrogatepass")


def readable(text: bytes) -> str:
    """The address as any reader of JSON can take it."""
    return text.decode("utf-8", "replace")


def packed(verdict: Verdict) -> str:
    """The verdict without what its status says and what is empty: half the space."""
    found = verdict.to_dict()
    kept = {
        name: value
        for name, value in found.items()
        if value is not None and value is not False and name not in _GIVEN
    }
    # A server's bytes that are no text must not make a row that no JSON reader takes.
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def unpacked(data: str) -> dict[str, Any]:
    """The verdict again, but for the address."""
    found = json.loads(data)
    status = Status(found["status"])
    return {
        **_EMPTY,
        "label": status.label,
        "valid": status is Status.VALID,
        **found,
    }


# Each row has its own spelling of the address, and a list needs no transcripts.
_GIVEN = frozenset({"email", "label", "valid", "transcript"})
_EMPTY = {
    name: value if value is False else None
    for name, value in Verdict("", Status.UNKNOWN, "", "", 0.0, Stage.SYNTAX).to_dict().items()
}
