"""An outbox and a sender's hand in it, without a network and on a clock that stands still."""

from __future__ import annotations

from pathlib import Path

from notifier.attempt import Claim, Result
from notifier.claims import Claims
from notifier.messages import Method
from notifier.outbox import Envelope, Outbox, State
from notifier.owner import Owner
from notifier.render import Letter, Part
from notifier.reply import Delivered, Outcome, Retry

DAY = 86400.0
FAILED = Retry("no answer", unknown=True)
BUSY = Retry("502 Bad Gateway", unknown=True, answered=True)


class Post:
    """An outbox with one sender, on a clock that stands still until told."""

    def __init__(self, path: Path) -> None:
        self.now = 1_800_000_000.0
        self.outbox = Outbox(path)
        self.claims = self.sender()

    def sender(self) -> Claims:
        return Claims(self.outbox.database, Owner(self.outbox.database.path), lambda: self.now, lambda: 0.0)

    def put(self, text: str, chat: str = "5", *, lifetime: float = DAY) -> int:
        letter = Letter((Part(Method.TEXT, text),))
        kept = self.outbox.put(Envelope(chat, "e", lifetime), letter, self.now)
        assert isinstance(kept, list)
        return kept[0]

    def claim(self, room: int = 100) -> list[Claim]:
        return self.claims.turn([], room).claims

    def answer(self, claim: Claim, outcome: Outcome) -> None:
        self.claims.turn([Result(claim, outcome, self.now)], 0)

    def deliver(self) -> list[str]:
        """Everything that is ready, in the order it goes out."""
        claims = self.claim()
        for claim in claims:
            self.answer(claim, Delivered(1))
        return [claim.text for claim in claims]

    def state(self, key: int) -> tuple[State, str]:
        (entry,) = self.outbox.entries([key])
        return entry.state, entry.reason

    def next_at(self) -> float:
        turn = self.claims.turn([], 100)
        assert turn.claims == []
        assert turn.next_at is not None
        return turn.next_at - self.now
