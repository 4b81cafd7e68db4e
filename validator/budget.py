"""Budgets per (operator, source address), kept by arithmetic on a clock that is passed in."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from math import inf

from validator.operators import Operator

DAY = 86400.0
REMEMBERED = 1024
CELLS = 1 << 16
UNLIMITED = 1 << 30
# Lanes looked at for each that is added; two would do to keep their number.
LOOKED_AT = 4


@dataclass(slots=True)
class Lane:
    """The traffic of one source address towards one operator.

    Attributes:
        pause: Seconds between two recipients.
        active: Connections open now.
        limit: Connections allowed at once; lowered when the server says it bears fewer.
        next_recipient: Earliest time of the next RCPT.
        next_connect: Earliest time of the next connection.
        silent_until: End of the cool-down.
        silence_reason: Why it is silent.
        sent: RCPT commands in the current day; where the budget has no daily limit, in all.
    """

    operator: Operator
    source: str
    pause: float
    limit: int
    active: int = 0
    next_recipient: float = -inf
    next_connect: float = -inf
    silent_until: float = -inf
    silence_reason: str = ""
    sent: int = 0
    day: int = -1

    def wait(self, now: float) -> float:
        """Seconds until a connection may be opened; `inf`: not before one closes or the day ends."""
        if self.spent(now):
            return inf
        if self.limit and self.active >= self.limit:
            return inf
        return max(0.0, self.silent_until - now, self.next_connect - now, self.next_recipient - now)

    def spent(self, now: float) -> bool:
        """True when today's recipients are used up."""
        self._turn_day(now)
        return bool(self.operator.budget.daily and self.sent >= self.operator.budget.daily)

    def open(self, now: float) -> None:
        """A connection is about to be dialled."""
        self.active += 1
        connects = self.operator.budget.connects
        if connects:
            self.next_connect = max(now, self.next_connect) + 60 / connects

    def close(self) -> None:
        """A connection is gone."""
        self.active -= 1

    def reserve(self, count: int, now: float) -> float:
        """Take `count` recipients from the budget; the seconds to wait before they may be asked."""
        self._turn_day(now)
        self.sent += count
        if not self.pause:
            return 0.0
        at = max(now, self.next_recipient)
        self.next_recipient = at + self.pause * count
        return at - now

    def left(self, now: float, on_connection: int) -> int:
        """How many more recipients this connection may carry."""
        self._turn_day(now)
        budget = self.operator.budget
        room = (budget.recipients or UNLIMITED) - on_connection
        if budget.daily:
            room = min(room, budget.daily - self.sent)
        return max(0, room)

    def silence(self, seconds: float, reason: str, now: float) -> None:
        """Begin or lengthen a cool-down."""
        if now + seconds > self.silent_until:
            self.silent_until = now + seconds
            self.silence_reason = reason

    def bears_fewer(self, others: int) -> None:
        """The server refused one more connection while `others` of ours were open."""
        wanted = max(1, others)
        self.limit = min(self.limit, wanted) if self.limit else wanted

    def _turn_day(self, now: float) -> None:
        if not self.operator.budget.daily:
            return
        day = int(now // DAY)
        if day != self.day:
            self.day = day
            self.sent = 0


class Lanes:
    """Every lane in use, and for those forgotten a fixed table of what they had sent today.

    A list may touch more operators than memory should hold. An idle lane is dropped; its count goes into one
    of 65,536
    cells by hash, where two operators may meet: a lane remade starts from the cell, so a count can only be
    too high.
    """

    def __init__(self, rate_limit: float) -> None:
        self.rate_limit = rate_limit
        self._lanes: OrderedDict[tuple[str, str], Lane] = OrderedDict()
        self._cells = array("L", [0]) * CELLS
        self._day = -1

    def of(self, operator: Operator, source: str, now: float) -> Lane:
        """The lane of this operator and source."""
        key = (operator.name, source)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = self._make(operator, source, key, now)
            if len(self._lanes) > REMEMBERED:
                self._forget(now)
        else:
            self._lanes.move_to_end(key)
        return lane

    def silent(self, now: float) -> list[Lane]:
        """Lanes in a cool-down."""
        return [lane for lane in self._lanes.values() if lane.silent_until > now]

    def _make(self, operator: Operator, source: str, key: tuple[str, str], now: float) -> Lane:
        budget = operator.budget
        pause = max(self.rate_limit, 60 / budget.rate if budget.rate else 0.0)
        lane = Lane(operator, source, pause, budget.connections)
        if budget.daily:
            lane.day = int(now // DAY)
            if lane.day == self._day:
                lane.sent = self._cells[hash(key) % CELLS]
        return lane

    def _forget(self, now: float) -> None:
        for key, lane in list(islice(self._lanes.items(), LOOKED_AT)):
            if lane.active or lane.silent_until > now or lane.next_recipient > now or lane.next_connect > now:
                self._lanes.move_to_end(key)  # not to be looked at again and again
                continue
            del self._lanes[key]
            if not lane.operator.budget.daily:
                continue
            if lane.day != self._day:
                self._cells = array("L", [0]) * CELLS
                self._day = lane.day
            cell = hash(key) % CELLS
            self._cells[cell] = max(self._cells[cell], lane.sent)
