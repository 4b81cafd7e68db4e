"""Telegram's HTML: what it allows, how to escape into it, and how to cut it without breaking it.

The rules are those of https://core.telegram.org/bots/api#html-style: a few tags, no named entity but `&lt;`,
`&gt;`, `&amp;` and `&quot;`. Lengths are counted in UTF-16 units after the tags are taken away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAGS = frozenset(
    (
        *("b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote"),
        *("tg-spoiler", "tg-emoji", "tg-time", "span"),
    )
)

_ATTRIBUTE = r"""\s+[^\s=<>"'/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9.-]+))?"""
_TOKEN = re.compile(
    rf"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<attributes>(?:{_ATTRIBUTE})*)\s*>"
    r"|&(?:(?P<entity>lt|gt|amp|quot)(?![A-Za-z])|#(?P<decimal>[0-9]{1,7})|#[xX](?P<hex>[0-9A-Fa-f]{1,6}));?"
    r"|(?P<text>[^<&]+|&)"
)
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class MarkupError(ValueError):
    """The text is no HTML that Telegram takes; the message says where and why."""


@dataclass(frozen=True)
class Span:
    """A tag over `text[start:end]`; `opening` is the tag as it was written."""

    start: int
    end: int
    name: str
    opening: str


@dataclass(frozen=True)
class Marked:
    """A text without its tags, and the tags: outer ones before the inner ones they hold."""

    text: str
    spans: tuple[Span, ...] = ()

    def html(self, start: int = 0, end: int | None = None) -> str:
        """The part from `start` to `end` as HTML, in which every tag that reaches into it is closed."""
        stop = len(self.text) if end is None else end
        out: list[str] = []
        open_spans: list[Span] = []
        at = start

        def advance(to: int) -> None:
            nonlocal at
            out.append(escape(self.text[at:to]))
            at = to

        def close_until(to: int) -> None:
            while open_spans and min(open_spans[-1].end, stop) <= to:
                span = open_spans.pop()
                advance(min(span.end, stop))
                out.append(f"</{span.name}>")

        for span in self.spans:
            begin = max(span.start, start)
            if begin >= min(span.end, stop):
                continue
            close_until(begin)
            advance(begin)
            out.append(span.opening)
            open_spans.append(span)
        close_until(stop)
        advance(stop)
        return "".join(out)


def escape(text: str) -> str:
    """The text as HTML that shows it."""
    return text.translate(_ESCAPES)


def units(text: str) -> int:
    """The length as Telegram counts it: UTF-16 units, two for a character beyond the basic plane."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse(html: str) -> Marked:
    """Take the tags out of a text.

    Raises:
        MarkupError: Telegram would refuse it with "can't parse entities".
    """
    pieces: list[str] = []
    length = 0
    open_tags: list[tuple[str, str, int, int]] = []
    spans: list[Span | None] = []
    at = 0
    while at < len(html):
        token = _TOKEN.match(html, at)
        if token is None:
            raise MarkupError(f"{_place(html, at)}: a < that begins no tag; write &lt;")
        if token["name"] is None:
            piece = _characters(token, html)
            pieces.append(piece)
            length += len(piece)
        elif not token["close"]:
            open_tags.append((_allowed(token, html), token[0], length, len(spans)))
            spans.append(None)
        else:
            name = token["name"].lower()
            if not open_tags or open_tags[-1][0] != name:
                wanted = f"</{open_tags[-1][0]}>" if open_tags else "no end tag"
                raise MarkupError(f"{_place(html, at)}: found </{name}>, expected {wanted}")
            _, opening, start, index = open_tags.pop()
            spans[index] = Span(start, length, name, opening) if length > start else None
        at = token.end()
    if open_tags:
        raise MarkupError(f"<{open_tags[-1][0]}> is never closed")
    return Marked("".join(pieces), tuple(span for span in spans if span is not None))


def plain(html: str) -> str:
    """The text that is left of HTML without its tags; of what is no valid HTML, the text as it stands."""
    try:
        return parse(html).text
    except MarkupError:
        return html


def _characters(token: re.Match[str], html: str) -> str:
    if token["text"] is not None:
        return token["text"]
    if token["entity"] is not None:
        return _ENTITIES[token["entity"]]
    code = int(token["decimal"]) if token["decimal"] is not None else int(token["hex"], 16)
    if code == 0 or code >= 0x10FFFF:
        return token[0]
    if 0xD800 <= code <= 0xDFFF:
        raise MarkupError(f"{_place(html, token.start())}: {token[0]} is half a character")
    return chr(code)


def _allowed(token: re.Match[str], html: str) -> str:
    name, attributes = token["name"].lower(), token["attributes"]
    if name not in _TAGS:
        raise MarkupError(f"{_place(html, token.start())}: Telegram knows no <{name}>")
    if name == "span" and not re.search(r"""\sclass\s*=\s*["']?tg-spoiler\b""", attributes):
        raise MarkupError(f'{_place(html, token.start())}: <span> needs class="tg-spoiler"')
    if name == "tg-emoji" and not re.search(r"""\semoji-id\s*=\s*["']?[1-9][0-9]*["'\s]*$""", attributes):
        raise MarkupError(f"{_place(html, token.start())}: <tg-emoji> needs a numeric emoji-id")
    return name


def _place(html: str, at: int) -> str:
    line = html.count("\n", 0, at) + 1
    return f"line {line}, column {at - html.rfind(chr(10), 0, at)}"
