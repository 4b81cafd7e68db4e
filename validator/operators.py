"""Which operator runs an MX host, and the budget it is given per source address."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from validator.suffixes import registered_domain


@dataclass(frozen=True, slots=True)
class Budget:
    """What one operator is asked to bear from one source address; 0 means no limit.

    Attributes:
        connections: Connections open at once.
        recipients: RCPT commands on one connection.
        rate: RCPT commands a minute.
        connects: New connections a minute.
        daily: RCPT commands a day.
        reset: RSET and MAIL between two recipients.
        probe: False where the operator forbids verification.
        accepts_bounces: A 250 to RCPT says nothing, the bounce comes later.
        cooldown: Seconds of silence after the operator's own temporary signal.
        block_cooldown: Seconds of silence after it has refused us.
    """

    connections: int = 10
    recipients: int = 100
    rate: float = 30
    connects: float = 60
    daily: int = 5000
    reset: bool = False
    probe: bool = True
    accepts_bounces: bool = False
    cooldown: float = 300
    block_cooldown: float = 600


@dataclass(frozen=True, slots=True)
class Operator:
    """A name to count under, and its budget."""

    name: str
    budget: Budget


LIFTED = Budget(connections=0, recipients=0, rate=0, connects=0, daily=0)


class Operators:
    """The table of `operators.toml`, asked by MX host name."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Read the parsed table.

        Raises:
            ValueError: naming the operator and the unknown or missing key.
        """
        self._named: list[tuple[str, Operator]] = []
        self.default = Budget()
        self.named = {str(entry.get("name")) for entry in data.get("operator", [])} - {"default"}
        self._signals = [
            (re.compile(item["text"]), float(item["seconds"])) for item in data.get("signal", [])
        ]
        for entry in data.get("operator", []):
            self._add(dict(entry))
        self._named.sort(key=lambda pair: -len(pair[0]))
        self._of = lru_cache(maxsize=1024)(self._find)

    def _add(self, entry: dict[str, Any]) -> None:
        name = entry.pop("name", None)
        if not isinstance(name, str):
            raise ValueError("operators: an [[operator]] has no name")  # noqa: TRY004 - one kind of error for bad data
        suffixes = entry.pop("mx", [])
        known = {item.name for item in fields(Budget)}
        unknown = set(entry) - known
        if unknown:
            raise ValueError(f"operators: {name}: unknown key {', '.join(sorted(unknown))}")
        budget = replace(self.default if name != "default" else Budget(), **entry)
        if name == "default":
            self.default = budget
        operator = Operator(name, budget)
        self._named.extend((suffix.lower(), operator) for suffix in suffixes)

    def of(self, host: str) -> Operator:
        """The operator of an MX host: a named one, or its own registered domain with the default budget."""
        return self._of(host)

    def _find(self, host: str) -> Operator:
        host = host.rstrip(".").lower()
        dotted = f".{host}"
        for suffix, operator in self._named:
            if dotted.endswith(suffix):
                return operator
        return Operator(registered_domain(host), self.default)

    def silence(self, text: str, otherwise: float) -> float:
        """Seconds to leave an operator alone after this reply."""
        return max([otherwise, *(seconds for pattern, seconds in self._signals if pattern.search(text))])


def default_operators(extra: Mapping[str, Any] | None = None) -> Operators:
    """The shipped table, with a user's operators (from `--config`) put over it by name."""
    data = tomllib.loads(files("validator").joinpath("operators.toml").read_text("utf-8"))
    if extra:
        merged = {entry["name"]: entry for entry in data["operator"]}
        for entry in extra.get("operator", []):
            merged[entry["name"]] = {**merged.get(entry["name"], {}), **entry}
        data["operator"] = sorted(merged.values(), key=lambda entry: entry["name"] != "default")
        data["signal"] = [*data["signal"], *extra.get("signal", [])]
    return Operators(data)


def lifted_operators() -> Operators:
    """No limit anywhere: for benchmarks and one's own servers only."""
    lifted = {item.name: getattr(LIFTED, item.name) for item in fields(Budget)}
    return Operators({"operator": [{"name": "default", **lifted}]})
