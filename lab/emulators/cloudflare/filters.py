"""Filters of record lists: plain (`name=x`) and as objects (`name.exact=x`, `comment.contains=x`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from lab.emulators.store import Json

_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "": lambda value, wanted: value == wanted,
    ".exact": lambda value, wanted: value == wanted,
    ".contains": lambda value, wanted: wanted in value,
    ".startswith": lambda value, wanted: value.startswith(wanted),
    ".endswith": lambda value, wanted: value.endswith(wanted),
}


def chosen(records: Sequence[Json], query: QueryParams) -> list[Json]:
    """The records that pass, ordered as the query asks.

    `match=any` makes alternatives of the filters; all text is compared without case. Without `order` records
    come in the order they were made.
    """
    tests = _record_tests(query)
    together: Callable[[Any], bool] = any if query.get("match") == "any" and tests else all
    found = [record for record in records if together(test(record) for test in tests)]
    if text := query.get("search"):
        found = [record for record in found if _search(record, text.lower())]
    if order := query.get("order"):
        found.sort(key=lambda record: str(record.get(order)), reverse=query.get("direction") == "desc")
    return found


def _record_tests(query: QueryParams) -> list[Callable[[Json], bool]]:
    tests: list[Callable[[Json], bool]] = []
    for field in ("name", "content", "comment"):
        for suffix, test in _TESTS.items():
            if (wanted := query.get(field + suffix)) is not None:
                tests.append(_text_test(field, test, wanted.lower()))
    if "comment.present" in query:
        tests.append(lambda record: bool(record["comment"]))
    if "comment.absent" in query:
        tests.append(lambda record: not record["comment"])
    tests += [
        _text_test(field, _TESTS[""], query[field].lower()) for field in ("type", "proxied") if field in query
    ]
    tests += [_tag_test(tag.lower()) for tag in query.getlist("tag") + query.getlist("tag.exact")]
    return tests


def _tag_test(tag: str) -> Callable[[Json], bool]:
    return lambda record: tag in map(str.lower, record["tags"])


def _text_test(field: str, test: Callable[[str, str], bool], wanted: str) -> Callable[[Json], bool]:
    return lambda record: test(str("" if record[field] is None else record[field]).lower(), wanted)


def _search(record: Json, text: str) -> bool:
    return any(
        text in str(record.get(field) or "").lower() for field in ("name", "content", "comment", "type")
    )
