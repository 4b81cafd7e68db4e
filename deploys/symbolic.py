"""Text with holes: values a plan names before anybody knows them, such as the address of a new server.

A hole is :class:`Unknown`; text around holes is :class:`Symbolic`. Applying a plan fills the holes in as it
learns: :func:`resolve` gives plain text once every hole that must be filled is.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

AFTER_APPLY = "(known after apply)"


@dataclass(frozen=True, order=True)
class Unknown:
    """One value that applying will reveal.

    Args:
        what: its name, unique in a plan: `ipv4 of n1`, `dkim key of a.example`.
        prefix: text that stands before the value and goes with it.
        optional: whether a list may do without it, with its prefix: one failed host must not keep the other
            eleven addresses of a pool from being published.
    """

    what: str
    prefix: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Symbolic:
    """Text with at least one hole, in order."""

    parts: tuple[str | Unknown, ...]

    def __str__(self) -> str:
        return "".join(p if isinstance(p, str) else p.prefix + AFTER_APPLY for p in self.parts)


Text = str | Symbolic


def text(*parts: str | Unknown) -> Text:
    """Join parts; plain text if none of them is a hole."""
    if any(isinstance(part, Unknown) for part in parts):
        return Symbolic(parts)
    return "".join(str(part) for part in parts)


def unknowns(value: object) -> Iterator[Unknown]:
    """The holes of a value; none for plain text, numbers and lists."""
    if isinstance(value, Symbolic):
        yield from (part for part in value.parts if isinstance(part, Unknown))


def resolve(value: Text, known: Mapping[str, str]) -> Text:
    """Fill in the holes of `value` that `known` has, by their names."""
    if isinstance(value, str):
        return value
    return text(
        *(
            part.prefix + known[part.what] if isinstance(part, Unknown) and part.what in known else part
            for part in value.parts
        )
    )


def without(value: Text, learnable: Container[str]) -> Text:
    """Leave out the optional holes that nothing will fill, as long as their list keeps another entry.

    An empty list would be an answer too, and a wrong one.
    """
    if isinstance(value, str):
        return value
    kept = [part for part in value.parts if not _dropped(part, value.parts, learnable)]
    return text(*kept)


def _dropped(part: str | Unknown, parts: Iterable[str | Unknown], learnable: Container[str]) -> bool:
    if isinstance(part, str) or not part.optional or part.what in learnable:
        return False
    return any(
        other.startswith(part.prefix)
        if isinstance(other, str)
        else other.prefix == part.prefix and other.what in learnable
        for other in parts
    )
