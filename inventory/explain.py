"""What pydantic found wrong with a fleet, in the words of a fleet file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inventory.model import AgeRecipient, DomainName, Fleet, Label, LocalPart, PersonName
from inventory.problems import FieldPath, Finding


def explain(error: ValidationError) -> list[Finding]:
    """Turn a validation error of :class:`Fleet` into findings.

    A list whose every entry is wrong is also too short for pydantic; that is said only where nothing else is.
    """
    details = error.errors(include_url=False)
    paths = {_path(detail) for detail in details}
    return [
        finding
        for detail in details
        if not (detail["type"] == "too_short" and _has_inner(_path(detail), paths))
        for finding in [_finding(detail)]
    ]


def known_keys(path: FieldPath) -> list[str]:
    """The keys a block of the file may have; none where `path` does not lead to a block."""
    model: Any = Fleet
    for part in path:
        if isinstance(part, str):
            field = getattr(model, "model_fields", {}).get(part)
            model = next(_blocks(field.annotation), None) if field else None
    return list(model.model_fields) if model else []


def _blocks(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _blocks(inner)


def _path(detail: ErrorDetails) -> FieldPath:
    # pydantic marks a bad key of a mapping by one more step.
    return tuple(part for part in detail["loc"] if part != "[key]")


def _has_inner(path: FieldPath, paths: set[FieldPath]) -> bool:
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _finding(detail: ErrorDetails) -> Finding:
    path = _path(detail)
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return Finding(path, "missing", f"add `{path[-1]}:` here")
    if kind in {"enum", "literal_error"}:
        return _choice(path, detail["input"], context["expected"])
    wrong, right = _value(kind, context)
    if detail["input"] is None:
        return Finding(path, "empty", right)
    return Finding(path, f"{_shown(detail['input'])} {wrong}", right)


def _value(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with one value, and what would be right."""
    if kind == "string_pattern_mismatch":
        what, right = _SHAPES[context["pattern"]]
        return f"is not {what}", right
    if kind in _TYPES:
        what, right = _TYPES[kind]
        return f"is not {what}", right
    if kind in _BOUNDS:
        what, key, right = _BOUNDS[kind]
        return f"is {what}", right.format(context[key])
    return "cannot be used", "correct it"


def _unknown_key(path: FieldPath) -> Finding:
    known = known_keys(path[:-1])
    near = get_close_matches(str(path[-1]), known, 1)
    right = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
    return Finding(path, "unknown key", right)


def _choice(path: FieldPath, value: object, expected: str) -> Finding:
    choices = re.findall(r"'([^']+)'", expected)
    near = get_close_matches(value.lower(), choices, 1) if isinstance(value, str) else []
    hint = f"did you mean {near[0]}? " if near else ""
    return Finding(path, f"{_shown(value)} is none of the choices", f"{hint}write {expected}")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "this list" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...'"


def _pattern(annotated: Any) -> str:
    return str(annotated.__metadata__[0].pattern)


_SHAPES = {
    _pattern(DomainName): ("a domain name", "write it in lower case like example.com"),
    _pattern(Label): ("a name", "use lower-case letters, digits and inner hyphens, 63 at most"),
    _pattern(LocalPart): (
        "a local part",
        "use lower-case letters and digits, with single . _ or - in between",
    ),
    _pattern(AgeRecipient): ("an age public key", "write the one that age-keygen prints, age1..."),
    _pattern(PersonName): ("a display name", "leave out quotes, backslashes and < >"),
}

_BLOCK = ("a block", "write one `key: value` a line, indented")

_TYPES = {
    "string_type": ("text", "write plain text, and numbers in quotes"),
    "int_type": ("a whole number", "write digits without quotes"),
    "ip_v4_address": ("an IPv4 address", "write it like 203.0.113.7"),
    "ip_v4_network": (
        "a network",
        "write it like 203.0.113.7 or 203.0.113.0/24, no bits set after the prefix",
    ),
    "tuple_type": ("a list", "write one entry a line, each after a hyphen"),
    "dict_type": _BLOCK,
    "mapping_type": _BLOCK,
    "model_type": _BLOCK,
}

_BOUNDS = {
    "greater_than_equal": ("too small", "ge", "write {} or more"),
    "less_than_equal": ("too large", "le", "write {} or less"),
    "string_too_short": ("too short", "min_length", "write {} characters or more"),
    "string_too_long": ("too long", "max_length", "write {} characters or less"),
    "too_short": ("too short", "min_length", "it takes {} or more"),
}
