"""A YAML text as plain data, or as a map of lines: the part of YAML 1.2 that a reviewed file needs.

PyYAML's own loaders are not used, for three reasons: they keep the last of two equal keys without a word;
they turn `no`, `12:30` and dates into what nobody wrote (YAML 1.1); composing every node costs five times
what reading the parser's events costs. Anchors, aliases and tags are refused: a reviewer reads what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml
from yaml._yaml import CParser

from inventory.problems import FieldPath

_DEPTH = 16
"""Levels of nesting; a fleet file has six."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
"""The core schema's words (YAML 1.2.2 section 10.3.2); `no` and `on` are plain text there."""


class SyntaxProblem(ValueError):
    """The text is not a YAML document we read. `line` counts from 1."""

    def __init__(self, line: int, wrong: str, right: str) -> None:
        super().__init__(f"line {line}: {wrong}; {right}")
        self.line = line
        self.wrong = wrong
        self.right = right


def parse(text: str) -> object:
    """Return the one document of `text` as dicts, lists, strings, numbers, booleans and None.

    Raises:
        SyntaxProblem: with the line of the first thing that cannot be read.
    """
    return _Reader(text, None).document()


def lines(text: str) -> dict[FieldPath, int]:
    """Map each value of a document that parses to the line it stands on, by its key where it has one."""
    found: dict[FieldPath, int] = {}
    _Reader(text, found).document()
    return found


class _Reader:
    """Builds data from the parser's events; positions are kept only when asked for."""

    def __init__(self, text: str, found: dict[FieldPath, int] | None) -> None:
        self._text = text
        self._found = found

    def document(self) -> object:
        try:
            # The parser reads ahead, so its constructor already raises.
            self._next: Callable[[], Any] = CParser(self._text).get_event
            self._next()  # the stream's start
            if type(self._next()) is yaml.StreamEndEvent:
                raise SyntaxProblem(1, "the file is empty", "start from the fleet.yaml that is shipped")
            data = self._value(self._next(), (), 0)
            self._next()  # the document's end
            after = self._next()
        except yaml.reader.ReaderError as error:
            # The offset counts bytes of UTF-8.
            before = self._text.encode()[: max(error.position, 0)]
            raise SyntaxProblem(
                before.count(b"\n") + 1, f"not YAML: {error.reason}", "remove the character"
            ) from None
        except yaml.MarkedYAMLError as error:
            raise _syntax(error) from None
        if type(after) is not yaml.StreamEndEvent:
            _refuse(after, "a second document", "keep one document in a file, without a --- line in between")
        return data

    def _value(self, event: Any, path: FieldPath, depth: int) -> object:
        if self._found is not None:
            self._found.setdefault(path, _line(event))
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None:
            _refuse(event, "anchors and aliases are not read here", "write the value out where it is used")
        if event.tag is not None:
            _refuse(event, f"the tag {event.tag} is not read here", "write the plain value")
        if kind is yaml.ScalarEvent:
            return event.value if not event.implicit[0] else _plain(event.value)
        if depth == _DEPTH:
            _refuse(event, f"nested more than {_DEPTH} levels deep", "check the brackets and the indentation")
        if kind is yaml.MappingStartEvent:
            return self._mapping(path, depth + 1)
        return self._sequence(path, depth + 1)

    def _mapping(self, path: FieldPath, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent or event.anchor is not None or event.tag is not None:
                _refuse(event, "a key that is not plain text", "write the key as one word and a colon")
            key = event.value
            if key in mapping:
                _refuse(event, f"the key {key!r} stands twice in this block", "keep one of the two")
            inner: FieldPath = path
            if self._found is not None:
                inner = (*path, key)
                self._found[inner] = _line(event)
            mapping[key] = self._value(self._next(), inner, depth)
        return mapping

    def _sequence(self, path: FieldPath, depth: int) -> list[object]:
        sequence: list[object] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            inner = path if self._found is None else (*path, len(sequence))
            sequence.append(self._value(event, inner, depth))
        return sequence


def _plain(value: str) -> object:
    """Resolve an unquoted scalar by the core schema."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] in "0123456789+-.":
        if _INTEGER.match(value):
            return int(value)
        if _FLOAT.match(value):
            return float(value)
    return value


def _refuse(event: Any, wrong: str, right: str) -> NoReturn:
    raise SyntaxProblem(_line(event), wrong, right)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _syntax(error: yaml.MarkedYAMLError) -> SyntaxProblem:
    what = " ".join(part for part in (error.context, error.problem) if part)
    # What is never closed is found missing at the end of the file; where it began helps more.
    unclosed = error.context_mark is not None and "end of stream" in what
    mark = error.context_mark if unclosed else error.problem_mark
    return SyntaxProblem(
        mark.line + 1 if mark else 1,
        f"not YAML: {what}",
        "check indentation (spaces, no tabs), colons and quotes here and on the line above",
    )
