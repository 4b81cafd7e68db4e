"""Fields of a JSON body, with the type the API wants them to have."""

from __future__ import annotations

from typing import Any, TypeVar

from lab.emulators.store import Json

T = TypeVar("T")


class WrongTypeError(Exception):
    """A field of a body is of another JSON type than the API wants; each vendor words it its own way."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"{name} must be a JSON {expected}")
        self.name = name
        self.expected = expected


def text(body: Json, name: str, default: str = "") -> str:
    """A text field; the default where it is missing or null.

    Raises:
        WrongTypeError: it is something else; so do the functions below.
    """
    return default if body.get(name) is None else _checked(body, name, str, "string")


def array(body: Json, name: str) -> list[Any]:
    """A list field; empty where it is missing or null."""
    return [] if body.get(name) is None else _checked(body, name, list, "array")


def mapping(body: Json, name: str) -> Json:
    """An object field; empty where it is missing or null."""
    return {} if body.get(name) is None else _checked(body, name, dict, "object")


def objects(body: Json, name: str) -> list[Json]:
    """A list of objects; empty where it is missing or null."""
    items = array(body, name)
    if not all(isinstance(item, dict) for item in items):
        raise WrongTypeError(name, "array of objects")
    return items


def _checked(body: Json, name: str, kind: type[T], expected: str) -> T:
    value = body[name]
    if not isinstance(value, kind):
        raise WrongTypeError(name, expected)
    return value
