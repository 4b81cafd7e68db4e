"""The counters themselves: events in, figures out, with as many labels as there can be and no more.

A tally is a value that can be kept and taken up again: after the same lines it is the same, wherever it was
put down in between.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metrics.lines import Delivery, Event, Expired, Notice, Refused, Removed, Sender, Session, Trouble
from validator import classify
from validator.operators import Operators, default_operators

SENDERS = 32_768
"""Queue ids remembered. qmgr tells a message's sender each time it takes it into the active queue, which
holds 20,000 (qmgr_message_active_limit)."""
CODES = 64
"""Enhanced codes told apart; RFC 3463 and IANA's registry know some 60. Later ones count as ``other``."""
BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400, 172_800)
"""Seconds from arrival to delivery: greylisting takes minutes, the queue gives up after two days."""
OTHER, NONE, BOUNCES = "other", "none", "bounces"
PROTOCOLS = frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"})

_CODE = re.compile(r"[245]\.[0-7]\.\d{1,2}")
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """One counter's name, meaning and labels."""

    name: str
    about: str
    labels: Labels


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "deliveries",
            "Attempts to deliver, by recipient; expired: messages given up.",
            ("domain", "operator", "result"),
        ),
        Family("replies", "What receiving servers answered.", ("operator", "reply", "code")),
        Family("meanings", "What refusals mean, by the validator's rules.", ("operator", "meaning")),
        Family("tls_sessions", "Encrypted sessions opened.", ("operator", "trust", "protocol")),
        Family("received", "Deliveries into our own mailboxes.", ("domain", "result")),
        Family("refused", "Mail that was not taken from a client.", ("door", "by", "reply")),
        Family("notices", "Notifications made for senders.", ("kind",)),
        Family("log_troubles", "Lines in which Postfix complains of itself.", ("severity",)),
    )
}


@dataclass
class Delay:
    """A histogram: how many took at most as long as each of :data:`BUCKETS`, and one more for the rest."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Tally:
    """All counters of one node.

    Args:
        domains: the node's own; mail of any other is counted as ``other``.
        operators: who runs an MX host; the validator's table without it.
    """

    def __init__(self, domains: Collection[str], operators: Operators | None = None) -> None:
        self.domains = frozenset(domains)
        self.operators = operators or default_operators()
        self.counters: dict[str, Counter[Labels]] = {name: Counter() for name in FAMILIES}
        self.delays: dict[str, Delay] = {}
        self.senders: OrderedDict[str, str] = OrderedDict()
        self._codes: set[str] = set()

    def take(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Sender(queue_id, domain):
                self._remember(queue_id, self._own(domain))
            case Removed(queue_id):
                self.senders.pop(queue_id, None)
            case Expired(queue_id):
                self._count("deliveries", self.senders.get(queue_id, OTHER), NONE, "expired")
            case Delivery(inbound=True):
                self._count("received", self._own(event.domain), event.result)
            case Delivery():
                self._delivered(event)
            case Session(host, trust, protocol):
                known = protocol if protocol in PROTOCOLS else OTHER
                self._count("tls_sessions", self._operator(host), trust, known)
            case Refused(door, by, reply):
                self._count("refused", door, by, reply)
            case Notice(kind):
                self._count("notices", kind)
            case Trouble(severity):
                self._count("log_troubles", severity)

    def _delivered(self, event: Delivery) -> None:
        domain = self.senders.get(event.queue_id, OTHER)
        if event.queue_id in self.senders:
            self.senders.move_to_end(event.queue_id)
        operator = self._operator(event.host)
        self._count("deliveries", domain, operator, event.result)
        if event.result == "sent":
            self.delays.setdefault(operator, Delay()).add(event.seconds)
        reply = f"{str(event.reply.code)[0]}xx" if event.reply and event.reply.code else NONE
        self._count("replies", operator, reply, self._code(event.code))
        if event.reply and event.result != "sent":
            meaning = classify(event.reply, stage=event.stage, mx=event.host).status.value.lower()
            self._count("meanings", operator, meaning)

    def _count(self, family: str, *labels: str) -> None:
        self.counters[family][labels] += 1

    def _remember(self, queue_id: str, domain: str) -> None:
        self.senders[queue_id] = domain
        self.senders.move_to_end(queue_id)
        if len(self.senders) > SENDERS:
            self.senders.popitem(last=False)

    def _own(self, domain: str) -> str:
        if not domain:
            return BOUNCES
        return domain if domain in self.domains else OTHER

    def _operator(self, host: str) -> str:
        if not host:
            return NONE
        name = self.operators.of(host).name
        return name if name in self.operators.named else OTHER

    def _code(self, code: str) -> str:
        if code in self._codes:
            return code
        if not _CODE.fullmatch(code) or len(self._codes) >= CODES:
            return OTHER
        self._codes.add(code)
        return code

    def as_json(self) -> dict[str, Any]:
        """All of it, to be kept."""
        return {
            "counters": {
                name: [[*labels, count] for labels, count in counter.items()]
                for name, counter in self.counters.items()
            },
            "delays": {operator: [delay.seconds, *delay.counts] for operator, delay in self.delays.items()},
            "senders": list(self.senders.items()),
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take up what :meth:`as_json` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            for name, rows in kept["counters"].items():
                self.counters[name] = Counter(_rows(rows, len(FAMILIES[name].labels)))
            for operator, (seconds, *counts) in kept["delays"].items():
                if len(counts) != len(BUCKETS) + 1:
                    raise ValueError("delays of other buckets")
                self.delays[str(operator)] = Delay([int(count) for count in counts], float(seconds))
            self.senders = OrderedDict((str(key), str(domain)) for key, domain in kept["senders"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it holds no counters ({error})") from None
        self._codes = {code for _, _, code in self.counters["replies"] if code != OTHER}


def _rows(rows: Iterable[list[Any]], labels: int) -> dict[Labels, int]:
    found = {}
    for *names, count in rows:
        if len(names) != labels:
            raise ValueError("counters of other labels")
        found[tuple(str(name) for name in names)] = int(count)
    return found
