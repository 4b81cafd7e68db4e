"""Telegram's flood control: what is allowed in any stretch of time, and who keeps to a 429.

https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this; the real figures are not
published and vary, so these are the ones of the documentation, without any of Telegram's tolerance.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from lab.emulators.ratelimit import Allowance, RateLimit


class Sliding(RateLimit):
    """No more than `limit` requests in any `seconds`, wherever these begin."""

    def restart(self) -> None:
        """See :meth:`RateLimit.restart`."""
        self._times: deque[float] = deque()
        self.refused = 0
        self.most = 0

    def take(self, now: float) -> Allowance:
        """See :meth:`RateLimit.take`; a refused request is counted but takes no place."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        allowed = len(self._times) < self.limit
        if allowed:
            self._times.append(now)
        else:
            self.refused += 1
        self.most = max(self.most, len(self._times))
        remaining = self.limit - len(self._times)
        reset = self._times[0] + self.seconds - now
        return Allowance(
            allowed, self.limit, self.seconds, remaining, reset, 0 if remaining else math.ceil(reset)
        )


class Flood(Sliding):
    """The bot's limit of 30 requests a second, those of each chat, and who was told to wait until when."""

    def __init__(self) -> None:
        super().__init__(30, 1)

    def restart(self) -> None:
        """See :meth:`RateLimit.restart`."""
        super().restart()
        self.early = 0
        self._chats: defaultdict[int, list[Sliding]] = defaultdict(list)
        self._still: dict[int, float] = {}

    def wait(self, chat: int, now: float) -> int:
        """Seconds for which a chat must wait; 0 lets one message in."""
        if now < self._still.get(chat, 0):
            self.early += 1
            return math.ceil(self._still[chat] - now)
        found = [limit.take(now) for limit in self._limits(chat)]
        over = [math.ceil(allowance.reset) for allowance in found if not allowance.allowed]
        return self.keep_still(chat, now, max(over)) if over else 0

    def keep_still(self, chat: int, now: float, seconds: int) -> int:
        """Let a chat wait, for no reason that its sender could know."""
        self._still[chat] = now + seconds
        return seconds

    def report(self) -> dict[str, int]:
        """What the limits saw.

        `refused`: requests over a limit; `early`: requests of a chat that was told to wait; `most_...`: the
        most that were let in within a second in all, within a second in a chat, within a minute in a group.
        """
        chats = [limit for limits in self._chats.values() for limit in limits]
        return {
            "refused": self.refused + sum(limit.refused for limit in chats),
            "early": self.early,
            "most_a_second": self.most,
            "most_a_second_in_a_chat": max((one.most for one in chats if one.seconds == 1), default=0),
            "most_a_minute_in_a_group": max((one.most for one in chats if one.seconds > 1), default=0),
        }

    def _limits(self, chat: int) -> list[Sliding]:
        if not self._chats[chat]:
            self._chats[chat] = [Sliding(1, 1), Sliding(20, 60)] if chat < 0 else [Sliding(1, 1)]
        return self._chats[chat]
