"""Labels and the label selector language (docs.hetzner.cloud, sections Labels and Label Selector)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lab.emulators.hetzner.errors import invalid

_NAME = re.compile(r"[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^)]*)\)")

Selector = Callable[[Mapping[str, str]], bool]


def checked(labels: Any) -> dict[str, str]:
    """The labels of a request.

    Raises:
        VendorError: `invalid_input` for a key or value outside the documented form.
    """
    if not isinstance(labels, dict):
        raise invalid("labels", "must be an object")
    for key, value in labels.items():
        if not _valid_key(key):
            raise invalid("labels", f"label key '{key}' is not correctly formatted")
        if not isinstance(value, str) or (value and not _NAME.fullmatch(value)):
            raise invalid("labels", f"label value '{value}' is not correctly formatted")
    return dict(labels)


def selector(text: str) -> Selector:
    """Compile a label selector; the comma is an and.

    Raises:
        VendorError: `invalid_input` for a selector that is none.
    """
    # Split at commas outside parentheses.
    tests = [_test(part.strip()) for part in re.split(r",(?![^(]*\))", text)]
    return lambda labels: all(test(labels) for test in tests)


def _test(part: str) -> Selector:
    if match := _SET.fullmatch(part):
        key, negated = match["key"], match["operator"] == "notin"
        values = {value.strip() for value in match["values"].split(",")}
        _require(key, part)
        return lambda labels: (labels.get(key) in values) != negated
    for operator, equal in (("!=", False), ("==", True), ("=", True)):
        key, found, value = part.partition(operator)
        if found:
            key, value = key.strip(), value.strip()
            _require(key, part)
            return lambda labels: (labels.get(key) == value) == equal
    if part.startswith("!"):
        key = part[1:].strip()
        _require(key, part)
        return lambda labels: key not in labels
    _require(part, part)
    return lambda labels: part in labels


def _require(key: str, part: str) -> None:
    if not _valid_key(key):
        raise invalid("label_selector", f"invalid label selector '{part}'")


def _valid_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix) or prefix == "hetzner.cloud"):
        return False
    return _NAME.fullmatch(name) is not None
