"""Long texts, cut where a reader would cut them."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.emulators.telegram_text import TEXT_UNITS as TELEGRAMS
from lab.emulators.telegram_text import understood
from notifier.markup import Marked, escape, parse, units
from notifier.split import NUMBER_UNITS, TEXT_UNITS, first_part, split
from tests.notifier.test_markup import tree

NUMBER = re.compile(r"\n\[\d+/\d+\]$")


def shown(html: str) -> str:
    """A part as its reader sees it, without its number."""
    return NUMBER.sub("", parse(html).text)


def visible(text: str) -> str:
    return "".join(text.split())


def test_what_fits_is_not_touched() -> None:
    text = "x" * TEXT_UNITS
    assert split(Marked(text)) == [text]
    assert len(split(Marked(text + "x"))) == 2


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a b c\n\nd e f\ng h", "a b c"),
        ("a b c\nd e f g h i", "a b c"),
        ("ab cd ef gh ij kl", "ab cd ef"),
        ("abcdefghijklmnopq", "abcdefghij"),
        ("a\n\nbcdef ghijklmn", "a\n\nbcdef"),
    ],
)
def test_a_cut_is_at_a_paragraph_else_a_line_else_a_word_else_anywhere(text: str, first: str) -> None:
    parts = split(Marked(text), limit=10 + NUMBER_UNITS)
    whole = split(Marked(text + " " * NUMBER_UNITS), limit=10 + NUMBER_UNITS)
    assert shown(whole[0]) == first
    assert visible("".join(shown(part) for part in whole)) == visible(text)
    assert len(parts) == 1


def test_parts_are_numbered() -> None:
    parts = split(Marked("word " * 2000))
    assert [NUMBER.search(part)[0] for part in parts] == ["\n[1/3]", "\n[2/3]", "\n[3/3]"]  # type: ignore[index]  # each has one


def test_an_entity_that_fits_into_a_part_is_never_torn() -> None:
    bold = "bold words " * 200
    html = f"{'intro ' * 500}<b>{bold}</b> {'tail ' * 500}"
    whole = [part for part in split(parse(html)) if f"<b>{bold}</b>" in part]
    assert len(whole) == 1


def test_two_entities_without_a_gap_are_cut_between_them() -> None:
    html = f"<b>{'b' * 3000}</b><i>{'i' * 3000}</i>"
    assert [shown(part) for part in split(parse(html))] == ["b" * 3000, "i" * 3000]


def test_an_entity_longer_than_a_part_is_closed_and_opened_again_between_lines() -> None:
    log = "\n".join(f"    line {number}" for number in range(1000))
    parts = split(parse(f"before\n<pre>{log}</pre>"))
    assert len(parts) > 3
    inside = [part for part in parts if "<pre>" in part]
    assert all(part.count("<pre>") == part.count("</pre>") == 1 for part in inside)
    lines = "\n".join(shown(part) for part in inside).splitlines()
    assert lines == log.splitlines(), "no line is torn, none loses its indentation"


@pytest.mark.parametrize("joined", ["👩‍🚒", "👍🏽", "🇩🇪", "e\u0301", "❤️"])
def test_a_cut_tears_no_character(joined: str) -> None:
    for shift in range(len(joined) + 1):
        text = "x" * shift + joined * 3000
        pieces = [shown(part) for part in split(Marked(text))]
        assert "".join(pieces) == text
        assert all(piece.lstrip("x").startswith(joined) and piece.endswith(joined) for piece in pieces)


def test_a_text_of_many_long_links_stays_below_the_raw_limit() -> None:
    link = f'<a href="https://a.example/{"p" * 200}">x</a> '
    parts = split(parse(link * 1000))
    assert max(len(part.encode()) for part in parts) <= 1 << 15
    assert sum(part.count("<a ") for part in parts) == 1000


def test_nothing_but_white_space_makes_no_part() -> None:
    parts = split(Marked("a" + "\n" * 9000 + "b"))
    assert [shown(part).strip() for part in parts] == ["a", "b"]


@settings(max_examples=200)
@given(st.lists(tree(2), min_size=1, max_size=12).map("\n".join), st.integers(12, 80))
def test_every_part_is_short_valid_and_nothing_visible_is_lost(html: str, limit: int) -> None:
    marked = parse(html)
    parts = split(marked, limit + NUMBER_UNITS)
    for part in parts:
        assert units(understood(part, "HTML", TELEGRAMS, "message")) <= limit + NUMBER_UNITS
    seen = "".join(shown(part) if len(parts) > 1 else parse(part).text for part in parts)
    assert visible(seen) == visible(marked.text)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.text("ab \n😀", max_size=30)), max_size=15), st.integers(31, 80))
def test_no_entity_that_fits_is_torn(pieces: list[tuple[bool, str]], limit: int) -> None:
    html = "".join(f"<b>{escape(text)}</b>" if bold else escape(text) for bold, text in pieces)
    fitting = [text.strip() for bold, text in pieces if bold and units(text) <= limit and text.strip()]
    found = re.findall(r"<b>([^<]*)</b>", "".join(split(parse(html), limit + NUMBER_UNITS)))
    assert not Counter(fitting) - Counter(text.strip() for text in found)


def test_the_first_part_is_the_beginning_that_fits() -> None:
    assert first_part(parse("<b>one two</b> three"), 10) == "<b>one two</b>"
