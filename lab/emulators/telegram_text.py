"""What Telegram makes of a text: its entities parsed, its length judged.

Written apart from the notifier and on another parser (the standard library's), so that neither vouches for
itself. The sentences are those of tdlib (MessageEntity.cpp, MessageContent.cpp).
"""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import takewhile
from string import hexdigits

RAW_BYTES = 1 << 15
TEXT_UNITS = 4096
CAPTION_UNITS = 1024

_TAGS = {
    "a",
    "b",
    "blockquote",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "pre",
    "s",
    "span",
    "strike",
    "strong",
    "tg-emoji",
    "tg-spoiler",
    "tg-time",
    "u",
}
_REFERENCES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}

_AMPERSAND = "\ufdd0"
"""Stands for & while tags are read, because HTML knows more references than Telegram; never a character."""


class TextError(ValueError):
    """A text that Telegram refuses, with its sentence."""


def understood(text: str, parse_mode: str, limit: int, name: str) -> str:
    """The text as its reader sees it.

    Args:
        text: as it was sent.
        parse_mode: `HTML` or nothing.
        limit: UTF-16 units allowed.
        name: how the refusal calls it, `message` or `message caption`.

    Raises:
        TextError: too long, or no valid markup.
    """
    if len(text.encode()) > RAW_BYTES:
        raise TextError("text is too long")
    if parse_mode.lower() not in ("", "html"):
        raise TextError("unsupported parse_mode")
    seen = _Entities(text).seen if parse_mode else text
    if len(seen.encode("utf-16-le")) // 2 > limit:
        raise TextError(f"{name} is too long")
    # Telegram trims both ends; of a text that begins with an entity it keeps the beginning.
    return seen.rstrip().lstrip(" \n")


class _Entities(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.seen = ""
        self._open: list[str] = []
        self.feed(text.replace("&", _AMPERSAND))
        self.close()
        first, *others = self.seen.split(_AMPERSAND)
        self.seen = first + "".join(_referenced(other) for other in others)
        if self._open:
            self._refuse(f'Can\'t find end tag corresponding to start tag "{self._open[-1]}"')

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self._refuse(f'Unsupported start tag "{tag}" at byte offset {self.getpos()[1]}')
        if tag == "span" and dict(attrs).get("class") != "tg-spoiler":
            self._refuse('Tag "span" must have class "tg-spoiler"')
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._refuse(f'Empty attribute name in the tag "{tag}" at byte offset {self.getpos()[1]}')

    def handle_endtag(self, tag: str) -> None:
        if not self._open:
            self._refuse(f"Unexpected end tag at byte offset {self.getpos()[1]}")
        if self._open.pop() != tag:
            self._refuse(f"Unmatched end tag at byte offset {self.getpos()[1]}")

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self._refuse(f'Unsupported start tag "" at byte offset {self.getpos()[1]}')
        self.seen += data

    def handle_comment(self, data: str) -> None:
        self._refuse(f'Unsupported start tag "!--{data}" at byte offset {self.getpos()[1]}')

    def handle_decl(self, decl: str) -> None:
        self._refuse(f'Unsupported start tag "!{decl}" at byte offset {self.getpos()[1]}')

    def handle_pi(self, data: str) -> None:
        self._refuse(f'Unsupported start tag "?{data}" at byte offset {self.getpos()[1]}')

    def _refuse(self, sentence: str) -> None:
        raise TextError(f"can't parse entities: {sentence}")


def _referenced(text: str) -> str:
    """What follows an ampersand, with the ampersand or what the reference stands for."""
    if not text.startswith("#"):
        name = "".join(takewhile(lambda char: char.isascii() and char.isalpha(), text))
        meant = _REFERENCES.get(name)
        return f"&{text}" if meant is None else meant + text[len(name) :].removeprefix(";")
    base, start, digits = (16, 2, hexdigits) if text[1:2] in ("x", "X") else (10, 1, "0123456789")
    number = "".join(takewhile(digits.__contains__, text[start:]))
    code = int(number or "0", base)
    if 0xD800 <= code <= 0xDFFF:
        raise TextError("can't parse entities: Text contains invalid Unicode characters after decoding")
    if not 0 < code < 0x10FFFF:
        return f"&{text}"
    return chr(code) + text[start + len(number) :].removeprefix(";")
