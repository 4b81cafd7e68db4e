"""The operators that have a queue of their own, and whether a node may ask one of them just now."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

from validator.budget import Lanes
from validator.operators import Operator, Operators, default_operators

LEASE = 240.0
"""Seconds that a chunk of one operator should take within its budget: what a short job waits for behind a
long one, and what a dead node costs."""

MOST = 500
"""Addresses in a chunk."""

LEAST = 10
"""Smaller chunks cost more messages than they balance."""

EXPRESS = "express"
"""The queue of jobs whose caller waits: every node looks into it, whatever else it has in hand."""

EXPRESS_MOST = 25
"""Addresses in a chunk of it: a short list is spread over several nodes."""

MISC = "misc"
"""The queue of all operators that the table does not name: too many, and too small, for one each."""


@lru_cache(maxsize=1)
def _suffixes() -> Mapping[str, str]:
    """For each named operator of the shipped table one suffix of its exchangers' names."""
    data = tomllib.loads(files("validator").joinpath("operators.toml").read_text("utf-8"))
    return {entry["name"]: entry["mx"][0] for entry in data["operator"] if entry.get("mx")}


@lru_cache(maxsize=1)
def queues() -> Mapping[str, int]:
    """Every queue, with the most addresses that a chunk of it holds.

    The names are those of the shipped table, the same on every host: a node's own `[[operator]]` entries
    change its budgets, not the queues.
    """
    shipped = default_operators()
    sizes = {}
    for name, suffix in _suffixes().items():
        rate = shipped.of(f"mx{suffix}").budget.rate
        sizes[name] = min(MOST, max(LEAST, int(rate * LEASE / 60))) if rate else MOST
    return {**sizes, MISC: MOST, EXPRESS: EXPRESS_MOST}


def queue_of(operator: str) -> str:
    """The queue for an operator's name, known or not."""
    return operator if operator in queues() else MISC


class Allowance:
    """Reads a validator's budgets: may this node begin on more work of a queue?

    Args:
        operators: The node's own table.
        lanes: The validator's traffic so far.
        sources: The node's source addresses.
    """

    def __init__(self, operators: Operators, lanes: Lanes, sources: Sequence[str]) -> None:
        self._named: dict[str, Operator] = {
            name: operators.of(f"mx{suffix}") for name, suffix in _suffixes().items()
        }
        self._lanes = lanes
        self._sources = sources

    def open(self, queue: str, now: float) -> bool:
        """False while every source is in a cool-down with the operator or has used up its day."""
        operator = self._named.get(queue)
        if operator is None:
            return True
        lanes = [self._lanes.of(operator, source, now) for source in self._sources]
        return any(lane.silent_until <= now and not lane.spent(now) for lane in lanes)

    def pause(self, queue: str, rate_limit: float) -> float:
        """Seconds between two addresses of a queue's operator from all sources together."""
        operator = self._named.get(queue)
        rate = operator.budget.rate if operator is not None else 0
        return max(rate_limit, 60 / rate if rate else 0.0) / len(self._sources)

    def cooling(self, now: float) -> tuple[str, ...]:
        """Operators that have asked some source of this node to be silent."""
        return tuple(sorted({lane.operator.name for lane in self._lanes.silent(now)}))
