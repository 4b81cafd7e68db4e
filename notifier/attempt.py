"""One attempt: the request to make, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from notifier.messages import Method
from notifier.reply import Outcome


@dataclass(frozen=True)
class Claim:
    """One request to make now."""

    id: int
    chat: str
    method: Method
    text: str
    html: bool
    silent: bool
    file_name: str = ""
    data: bytes | None = None


@dataclass(frozen=True)
class Result:
    """What came of a claim, and when it ended."""

    claim: Claim
    outcome: Outcome
    ended: float
