"""Whether this node hears anything: a node that is cut off must not say that nobody answers. Pure."""

from __future__ import annotations

from math import inf

from validator.resolver import FAILURE_TTL
from validator.status import Status
from validator.verdict import Verdict

SILENT = frozenset({Status.TIMEOUT, Status.UNKNOWN})


def says_nothing_answered(verdict: Verdict) -> bool:
    """Whether a verdict rests on silence, of a mail server or of DNS, rather than on an answer."""
    return verdict.status in SILENT and not verdict.code


class Contact:
    """What the answers of NATS tell of this node's own network.

    A verdict of silence is held until NATS has answered after it. It counts if NATS has answered all the
    time; else the silence may have been this node's own, and the address is asked again.

    Args:
        now: Loop time; NATS has just answered.
        most: Seconds between two answers; after a longer gap this node was cut off, or stood still.

    Attributes:
        away: NATS does not answer.
    """

    def __init__(self, now: float, most: float) -> None:
        self.away = False
        self._most = most
        self._heard = now
        self._trusted_from = -inf

    def lost(self) -> None:
        """NATS does not answer, or has not for a moment."""
        self.away = True

    def heard(self, now: float) -> bool:
        """NATS answers; whether silence met since its last answer is that of the others."""
        if self.away or now - self._heard > self._most:
            self._trusted_from = now + FAILURE_TTL  # the validator repeats what DNS could not tell so long
        self.away = False
        self._heard = now
        return now >= self._trusted_from
