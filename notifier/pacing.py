"""Telegram's limits on sending, kept by remembering when the latest requests ended.

About 30 messages a second in all, one a second in a chat, 20 a minute in a group
(https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). A token bucket of 20
refilled at 20 a minute lets 40 pass in its first minute, so each limit is a window instead: no request while
`limit` others are under way or ended within the last `seconds`. A request reached Telegram before it ended,
so requests that are spaced from the *end* of earlier ones are spaced at least as far where Telegram counts
them, however long the network took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LONG_AGO = float("-inf")


@dataclass(frozen=True)
class Window:
    """At most `limit` requests in any `seconds`."""

    limit: int
    seconds: float

    def free_at(self, ends: Sequence[float]) -> float:
        """When one more request fits; `ends` are the ends of the latest ones, newest first."""
        return ends[self.limit - 1] + self.seconds if len(ends) >= self.limit else LONG_AGO


OVERALL = Window(30, 1.0)
CHAT = Window(1, 1.0)
GROUP = Window(20, 60.0)

MEMORY = max(window.seconds for window in (OVERALL, CHAT, GROUP))
"""Seconds after which an ended request matters to no window."""


def is_group(chat: str) -> bool:
    """Whether the limit of groups holds: groups and channels have negative numbers, or names if public."""
    return chat.startswith(("-", "@"))


def chat_free_at(chat: str, ends: Sequence[float]) -> float:
    """When the next request to a chat may begin, given the ends of its latest :attr:`GROUP.limit` ones."""
    windows = (CHAT, GROUP) if is_group(chat) else (CHAT,)
    return max(window.free_at(ends) for window in windows)
