"""Repeats of the same alert: the first is sent, the others are counted and told together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

WINDOW = 3600.0
"""Seconds for which repeats are only counted, unless the sender says otherwise."""


@dataclass(frozen=True)
class Repeats:
    """What came under one key since `since`.

    Args:
        since: when the window opened.
        until: when it closes.
        count: how often the alert came in it.
        told: how many of these the team has read of.
    """

    since: float
    until: float
    count: int
    told: int

    def once_more(self) -> Repeats:
        """One more of it, which is not sent."""
        return replace(self, count=self.count + 1)

    def next_window(self, now: float) -> Repeats | None:
        """What follows at the end: another window if the alert came again in this one, else none.

        The new one begins with the message that tells the count, so a lasting trouble is told once a window.
        """
        if self.count == self.told:
            return None
        return Repeats(now, now + (self.until - self.since), count=0, told=0)


def opened(now: float, seconds: float) -> Repeats:
    """The window that the first alert opens."""
    return Repeats(now, now + seconds, count=1, told=1)


def tally(count: int, since: float, now: float) -> str:
    """`x17 since 10:02 UTC`, with the date if it is another day's."""
    began, today = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(now, UTC)
    form = "%H:%M UTC" if began.date() == today.date() else "%Y-%m-%d %H:%M UTC"
    return f"x{count} since {began.strftime(form)}"
