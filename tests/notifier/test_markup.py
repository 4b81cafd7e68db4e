"""Telegram's HTML: what passes, what does not, that no cut breaks it; judged by the lab's own parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.emulators.telegram_text import TextError, understood
from notifier.markup import MarkupError, escape, parse, plain, units

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def judge(html: str) -> str:
    """What Telegram would show."""
    return understood(html, "HTML", 1 << 20, "message")


def tree(depth: int) -> st.SearchStrategy[str]:
    """Valid HTML, nested up to a depth."""
    leaf = TEXT.map(escape) | st.sampled_from(["&amp;", "&lt;", "&quot;", "&#128512;", "&#x41;", "&nbsp;"])
    if depth == 0:
        return leaf
    tags = st.sampled_from(
        [
            ("<b>", "</b>"),
            ("<i>", "</i>"),
            ('<a href="https://a.example/?x=1&amp;y=2">', "</a>"),
            ('<span class="tg-spoiler">', "</span>"),
            ("<pre>", "</pre>"),
            ("<blockquote expandable>", "</blockquote>"),
        ]
    )
    tagged = st.tuples(tags, tree(depth - 1)).map(lambda pair: pair[0][0] + pair[1] + pair[0][1])
    return st.lists(leaf | tagged, max_size=4).map("".join)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<b>bold</b> and <i>it</i>", "bold and it"),
        ("<b><i>both</i></b>", "both"),
        ("<B>upper</b>", "upper"),
        ('<a href="https://x.example">link</a>', "link"),
        ("<a href='https://x.example'>link</a>", "link"),
        ('<pre><code class="language-python">x = 1</code></pre>', "x = 1"),
        ("<blockquote expandable>long</blockquote>", "long"),
        ('<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>', "👍"),
        ('<span class="tg-spoiler">secret</span>', "secret"),
        ("&lt;b&gt; &amp; &quot;", '<b> & "'),
        ("&#60;&#x3e;&#128512;", "<>😀"),
        ("&nbsp; &copy; AT&T", "&nbsp; &copy; AT&T"),
        ("", ""),
    ],
)
def test_what_telegram_takes_is_taken(html: str, text: str) -> None:
    assert parse(html).text == text
    assert judge(html) == text


@pytest.mark.parametrize(
    ("html", "says"),
    [
        ("<b>open", "<b> is never closed"),
        ("shut</b>", "found </b>"),
        ("<b><i>x</b></i>", "expected </i>"),
        ("<div>x</div>", "no <div>"),
        ("<br>", "no <br>"),
        ("1 < 2", "line 1, column 3"),
        ("one\ntwo <", "line 2, column 5"),
        ("<!-- x -->", "begins no tag"),
        ("<span>x</span>", 'class="tg-spoiler"'),
        ("<tg-emoji>x</tg-emoji>", "emoji-id"),
        ("&#xd83d;", "half a character"),
    ],
)
def test_what_telegram_refuses_is_refused_with_its_place(html: str, says: str) -> None:
    with pytest.raises(MarkupError, match=says.replace("(", r"\(")):
        parse(html)


def test_text_without_valid_markup_is_left_as_it_stands() -> None:
    assert plain("<b>1 < 2</b>") == "<b>1 < 2</b>"
    assert plain("<b>1 &lt; 2</b>") == "1 < 2"


@given(TEXT)
def test_escaped_text_shows_as_it_was_written(text: str) -> None:
    assert parse(escape(text)).text == text
    assert judge(escape(text)) == text.rstrip().lstrip(" \n")


@given(tree(3), st.data())
def test_any_slice_of_valid_html_is_valid_html_of_that_slice(html: str, data: st.DataObject) -> None:
    marked = parse(html)
    start = data.draw(st.integers(0, len(marked.text)))
    end = data.draw(st.integers(start, len(marked.text)))
    part = marked.html(start, end)
    assert parse(part).text == marked.text[start:end]
    assert judge(part) == marked.text[start:end].rstrip().lstrip(" \n")


@given(tree(3))
def test_whole_html_keeps_every_entity(html: str) -> None:
    marked = parse(html)
    assert parse(marked.html()) == marked


@given(st.text("<>&/ab ='\"\n;#x1!", max_size=30))
def test_what_passes_here_passes_there(html: str) -> None:
    try:
        text = parse(html).text
    except MarkupError:
        return
    try:
        assert judge(html) == text.rstrip().lstrip(" \n")
    except TextError as error:
        raise AssertionError(f"{html!r} passes here, Telegram says {error}") from None


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("abc", 3), ("жук", 3), ("😀", 2), ("👩‍🚒", 5), ("🇩🇪", 4)]
)
def test_lengths_are_counted_in_utf16_units(text: str, count: int) -> None:
    assert units(text) == count
