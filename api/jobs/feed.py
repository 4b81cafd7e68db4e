"""Which address is checked next: every job gets its turn, and no operator a long queue. Pure.

What the validator has taken up it asks for in that order, so it is given little at once: as much for each
operator as that one answers in the next seconds. Everything else waits here, where a short job's addresses
overtake a long one's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import gcd

from validator.syntax import domain_of
from validator.work import Job as Ticket

# Addresses of one operator with the validator at once, at most.
MOST = 1000
# So long the verdicts of a lane are counted for its allowance, seconds.
SPAN = 2.0
# Nothing has come back from a lane for so long: it waits for a greylist or a cool-down, so others may go.
STUCK = 60.0
# By so many its allowance grows then; the validator opens one session more for so many waiting.
STEP = 20
# Rows a job holds in memory beside those with the validator.
PARKED = 5000
_GOLDEN = 0.6180339887498949


def spread(total: int) -> Iterator[int]:
    """The rows 1 to `total`, each once, evenly from all over the list.

    A list sorted by domain would have one operator's budget used and all others idle. Steps of the golden
    section leave no part of the list out for long. A list that memory holds whole keeps its order.
    """
    step = max(1, round(total * _GOLDEN)) if total > PARKED else 1
    while gcd(step, total) != 1:
        step += 1
    place = 0
    for _ in range(total):
        yield place + 1
        place = (place + step) % total


@dataclass(slots=True)
class Lane:
    """One job's addresses at one operator, or at one domain whose operator is not known yet.

    Attributes:
        least: Allowed whatever the pace.
        parked: Waiting here: row and address.
        out: With the validator.
        moved: When a verdict came or the allowance grew.
        slot: Beginning of the present span.
        allowance: How many may be out.
        count, before: Verdicts in this span and in the one before.
    """

    least: int
    moved: float
    slot: float
    allowance: int
    parked: deque[tuple[int, str]] = field(default_factory=deque)
    out: int = 0
    count: int = 0
    before: int = 0

    @property
    def ready(self) -> bool:
        """An address can be taken."""
        return bool(self.parked) and self.out < self.allowance

    def settled(self, now: float) -> None:
        """A verdict came: allow what such a pace will answer in two spans."""
        self.out -= 1
        self.moved = now
        if now - self.slot >= SPAN:
            self.before = self.count if now - self.slot < 2 * SPAN else 0
            self.slot, self.count = now, 0
        self.count += 1
        self.allowance = min(MOST, max(self.least, 2 * self.count, 2 * self.before))

    def wait_over(self, now: float) -> bool:
        """Let more go where all that are out wait for something; True if it did."""
        if self.out < self.allowance or now - self.moved < STUCK or self.allowance >= MOST:
            return False
        self.allowance += STEP
        self.moved = now
        return True


@dataclass(slots=True)
class Handed:
    """An address with the validator, and the validator's own name for it, if it has given one."""

    lane: str
    address: str
    ticket: Ticket | None = None


class Work:
    """What one job has left to do.

    Args:
        number: The job's.
        total: Rows of its list.
        sources: Addresses we ask from: each has budgets of its own.
        operator_of: The operator of a domain, None if not known.
    """

    def __init__(
        self, number: int, total: int, sources: int, operator_of: Callable[[str], str | None]
    ) -> None:
        self.number = number
        self.out: dict[int, Handed] = {}
        self.begun = False
        self.exhausted = not total
        self._order = spread(total)
        self._least = STEP * (sources + 1)
        self._operator_of = operator_of
        self._parked = 0
        self._lanes: dict[str, Lane] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()

    def next_rows(self, most: int) -> list[int]:
        """Rows to read next: none while enough lie ready, too many are parked, or all were read."""
        if self.exhausted or self._ready or self._parked >= PARKED:
            return []
        rows = list(islice(self._order, most))
        self.exhausted = len(rows) < most
        return rows

    def park(self, rows: list[tuple[int, str]], now: float) -> None:
        """Take in what was read."""
        for row, address in rows:
            domain = domain_of(address)
            name = self._operator_of(domain) or domain
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = Lane(self._least, now, now, self._least)
            lane.parked.append((row, address))
            if lane.ready:
                self._ready[name] = None
        self._parked += len(rows)

    def take(self) -> tuple[int, str] | None:
        """The next address, from each lane in turn."""
        while self._ready:
            name, _ = self._ready.popitem(last=False)
            lane = self._lanes[name]
            if not lane.ready:  # it slowed down since
                continue
            row, address = lane.parked.popleft()
            lane.out += 1
            self._parked -= 1
            self.begun = True
            self.out[row] = Handed(name, address)
            if lane.ready:
                self._ready[name] = None
            return row, address
        return None

    def settled(self, row: int, now: float) -> None:
        """The verdict on a row came."""
        name = self.out.pop(row).lane
        lane = self._lanes[name]
        lane.settled(now)
        if lane.ready:
            self._ready[name] = None
        elif not lane.out and not lane.parked:
            del self._lanes[name]

    def take_back(self) -> list[Ticket]:
        """Put all that is with the validator back in its place; what is to be withdrawn there."""
        tickets = []
        for row, handed in reversed(self.out.items()):
            lane = self._lanes[handed.lane]
            lane.out -= 1
            lane.parked.appendleft((row, handed.address))
            if handed.ticket is not None:
                tickets.append(handed.ticket)
        for name in {handed.lane for handed in self.out.values()}:
            if self._lanes[name].ready:
                self._ready[name] = None
        self._parked += len(self.out)
        self.out.clear()
        return tickets

    def look_round(self, now: float) -> None:
        """Now and then: see to lanes from which nothing comes back."""
        for name, lane in self._lanes.items():
            if lane.wait_over(now) and lane.ready:
                self._ready[name] = None
