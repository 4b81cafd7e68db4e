"""YAML as a reviewed file needs it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inventory.document import SyntaxProblem, lines, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: on", {"a": "on"}),
        ("a: NO", {"a": "NO"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2026-12-01", {"a": "2026-12-01"}),
        ("a: 010", {"a": 10}),
        ("a: 10", {"a": 10}),
        ("a: -3", {"a": -3}),
        ("a: 1.5", {"a": 1.5}),
        ("a: '10'", {"a": "10"}),
        ("a: true", {"a": True}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: []", {"a": []}),
        ("- {a: [1, b]}\n- c", [{"a": [1, "b"]}, "c"]),
        ("1: x", {"1": "x"}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: " + "9" * 5000, {"a": float("inf")}),
    ],
)
def test_scalars_are_what_is_written(text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice"),
        ("a:\n  b: 1\n  b: 2", 3, "the key 'b' stands twice"),
        ("a: &x 1", 1, "anchors and aliases"),
        ("a: 1\nb: *x", 2, "anchors and aliases"),
        ("a: !!python/object:os.system x", 1, "the tag"),
        ("a: 1\n? [b]\n: c", 2, "a key that is not plain text"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("a: 1\nb: \tc: d", 2, "not YAML"),
        ("a: 1\n\tb: 2", 2, "not YAML"),
        ("a: 1\nb: 'x\nc: 2\nd: 3\n", 2, "unexpected end of stream"),
        ("ä: 1\nb: \x00", 2, "control characters are not allowed"),
        ("a: " + "[" * 10_000, 1, "nested more than"),
        ("a: " + "{a: " * 10_000, 1, "nested more than"),
    ],
)
def test_what_is_not_read_is_refused_with_its_line(text: str, line: int, wrong: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text)
    assert caught.value.line == line
    assert wrong in caught.value.wrong


def test_every_value_has_the_line_of_its_key() -> None:
    text = "a: 1\n\nb:\n  # a comment\n  - x\n  - c: |\n      long\n    d: 5\n"
    assert lines(text) == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 5,
        ("b", 1): 6,
        ("b", 1, "c"): 6,
        ("b", 1, "d"): 8,
    }


# What PyYAML itself does not write and read back (controls, odd line breaks) is left out.
_text = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]))
_plain = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | _text
_trees = st.recursive(
    _plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


@given(_trees)
def test_reads_what_pyyaml_writes(tree: Any) -> None:
    assert parse(yaml.dump(tree, Dumper=_NoAliases, allow_unicode=True)) == tree
