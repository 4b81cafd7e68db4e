"""How a list is cut: by the operator that answers for the mail, in pieces that balance over the nodes. Pure.

A budget belongs to one operator and one source address, so work is queued by operator: a node takes the
next chunk of an operator when its own budget for it has room, and no chunk of Google waits behind one of
Microsoft. Operators that the validator's table does not name share the queue `misc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from operator import itemgetter

from engine.messages import MOST_BYTES
from engine.operators import EXPRESS, LEAST, MISC, queue_of, queues
from validator import syntax

SHARE = 50
"""Addresses of one domain in a `misc` chunk: its unnamed operator's pace must not hold up the others long."""


@dataclass(frozen=True, slots=True)
class Item:
    """One address to be placed.

    Attributes:
        place: Its place in the list, from 1.
        size: Bytes of the address on the wire.
        domain: Lower case; empty if the text has none.
        operator: Who takes the domain's mail, as far as known; empty if not.
    """

    place: int
    size: int
    domain: str
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk: the queue it goes to and what is in it, ascending."""

    queue: str
    places: tuple[int, ...]


def domain_of(address: str) -> str:
    """The domain as far as it can be told without judging the form; empty if there is none."""
    return syntax.domain_of(address) if "@" in address else ""


def cut(items: Iterable[Item], *, nodes: int, last: bool, express: bool = False) -> list[Piece]:
    """Cut a part of a list.

    Addresses of one domain stay together, so that a node learns once whether it accepts everything.

    Args:
        items: Any order.
        nodes: How many share the work; at least 1.
        last: No more of this list follows: chunks get smaller towards the end, so that all nodes finish
            together (guided self-scheduling).
        express: Somebody waits for the list: all of it goes to the queue of that name.

    Returns:
        Every item in exactly one piece, ordered by the first place.
    """
    nodes = max(1, nodes)
    grouped: dict[str, list[Item]] = {}
    for item in items:
        grouped.setdefault(EXPRESS if express else queue_of(item.operator), []).append(item)
    pieces: list[Piece] = []
    for queue, members in grouped.items():
        members.sort(key=lambda item: (item.domain, item.place))
        ordered = _dealt(members, nodes, last=last) if queue == MISC else members
        pieces.extend(_pieces(queue, ordered, nodes, last=last))
    return sorted(pieces, key=lambda piece: piece.places[0])


def _dealt(members: list[Item], nodes: int, *, last: bool) -> list[Item]:
    """Deal out domains in runs so that every stretch of the queue holds each domain's share of the whole.

    A node does not see what is in a chunk before it takes it. Were a stretch all of one domain, the node that
    takes it would sit at that domain's pace while the others have nothing left.
    """
    domains: dict[str, list[Item]] = {}
    for item in members:
        domains.setdefault(item.domain, []).append(item)
    placed: list[tuple[float, list[Item]]] = []
    by_length = sorted(domains.values(), key=len, reverse=True)  # the short ones fill gaps at the end
    for number, items in enumerate(by_length):
        if len(items) <= SHARE:
            placed.append(((number + 0.5) / len(by_length), items))
            continue
        at = 0
        for run in _runs(len(items), nodes, last=last):
            placed.append(((at + run / 2) / len(items), items[at : at + run]))
            at += run
    return [item for _, run in sorted(placed, key=itemgetter(0)) for item in run]


def _runs(count: int, nodes: int, *, last: bool) -> Iterator[int]:
    """Lengths of the runs of a domain with so many addresses; in a list's last part they get smaller."""
    while count:
        run = min(SHARE, count, ceil(count / (2 * nodes)) if last else SHARE)
        yield run
        count -= run


def _pieces(queue: str, items: list[Item], nodes: int, *, last: bool) -> Iterator[Piece]:
    at = 0
    while at < len(items):
        wanted = queues()[queue]
        if last:
            wanted = min(wanted, max(LEAST, ceil((len(items) - at) / (2 * nodes))))
        taken = _take(items, at, wanted, share=SHARE if queue == MISC else wanted)
        yield Piece(queue, tuple(sorted(item.place for item in items[at : at + taken])))
        at += taken


def _take(items: list[Item], at: int, wanted: int, *, share: int) -> int:
    """How many from `at` on go into one chunk: bounded in number, in bytes and in addresses of one domain."""
    size = taken = 0
    of_domain: dict[str, int] = {}
    for item in items[at : at + wanted]:
        of_domain[item.domain] = of_domain.get(item.domain, 0) + 1
        size += item.size
        if taken and (size > MOST_BYTES or of_domain[item.domain] > share):
            break
        taken += 1
    return taken
