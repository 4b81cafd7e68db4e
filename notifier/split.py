"""Cut a long text into parts that Telegram takes: at a paragraph, a line, a word, never inside an entity.

An entity is what a tag marks. One that is itself longer than a part (a log in `<pre>`) has to be cut; it is
closed at the end of a part and opened again in the next.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from notifier.markup import Marked, Span, units

TEXT_UNITS = 4096
"""UTF-16 units of a message after its tags are taken away (https://core.telegram.org/bots/api#sendmessage).
Telegram's server counts characters, of which there are never more."""

CAPTION_UNITS = 1024
"""The same of a caption (https://core.telegram.org/bots/api#sendphoto)."""

RAW_BYTES = 32 * 1024
"""Bytes of a text with its tags (tdlib/telegram-bot-api, Client::get_formatted_text: "Text is too long")."""

NUMBER_UNITS = 10
"""Room for the number that each of several parts bears: a line end and `[123/456]`."""

_LONGEST_CHARACTER = 64
"""Code points of one visible character, beyond which it is torn after all."""

_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+$")

_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"\s+"))
"""What a part may end at, best first: a paragraph, a line, a word."""


def split(marked: Marked, limit: int = TEXT_UNITS) -> list[str]:
    """The parts as HTML, in order, none longer than `limit` units; several are numbered.

    Nothing but white space at the cuts is lost.
    """
    if units(marked.text) <= limit and _raw(marked.html()) <= RAW_BYTES:
        return [marked.html()]
    parts = list(_parts(marked, limit - NUMBER_UNITS))
    if len(parts) < 2:
        return parts
    return [f"{part}\n[{number}/{len(parts)}]" for number, part in enumerate(parts, 1)]


def first_part(marked: Marked, limit: int) -> str:
    """What fits into one part, as HTML."""
    return next(_parts(marked, limit), "")


def _parts(marked: Marked, limit: int) -> Iterator[str]:
    outer = _outermost(marked.spans)
    start = 0
    while start < len(marked.text):
        size = limit
        end, after = _cut(marked.text, outer, start, size)
        while _raw(marked.html(start, end)) > RAW_BYTES - 2 * NUMBER_UNITS and size > 1:
            size //= 2
            end, after = _cut(marked.text, outer, start, size)
        if marked.text[start:end].strip():
            yield marked.html(start, end)
        start = after


def _cut(text: str, outer: Sequence[Span], start: int, limit: int) -> tuple[int, int]:
    """Where a part from `start` on ends, and where the next one begins."""
    full = _reach(text, start, limit)
    if full == len(text):
        return full, full
    torn = _around(outer, full, full)
    if torn is not None and torn.start <= start:
        # An entity longer than a part: this once, a cut inside it.
        return _best(text, (), start, full) or (_whole(text, start, full),) * 2
    edge = full if torn is None else torn.start
    outside = _best(text, outer, start, edge) or _best(text, outer, start, edge, fill=0.0)
    if outside is not None:
        return outside
    return (_whole(text, start, full),) * 2 if torn is None else (edge, edge)


def _best(
    text: str, outer: Sequence[Span], start: int, full: int, fill: float = 0.5
) -> tuple[int, int] | None:
    """The last break outside every entity of the best kind that leaves the part filled to `fill` at least."""
    least = start + (full - start) * fill
    for pattern in _BREAKS:
        best = None
        # One character further, so that a part may end right before a break.
        for found in pattern.finditer(text, start + 1, min(len(text), full + 1)):
            if found.start() <= full and _around(outer, found.start(), found.end()) is None:
                best = found.span()
        if best is not None and best[0] >= least:
            return best
    return None


def _reach(text: str, start: int, limit: int) -> int:
    """The furthest end of a part that begins at `start`."""
    window = text[start : start + limit]
    excess = units(window) - limit
    while excess > 0:
        # Each character of two units at the end gives back at most two.
        window = window[: -max(1, excess // 2)]
        excess = units(window) - limit
    return start + len(window)


def _whole(text: str, start: int, end: int) -> int:
    """The last place up to `end` that does not tear a character from its accent, joiner or second half."""
    place = end
    while place > start + 1 and end - place < _LONGEST_CHARACTER and _torn(text, place):
        place -= 1
    return place if place > start + 1 else end


def _torn(text: str, place: int) -> bool:
    """Whether a cut goes through what a reader sees as one character (a part of UAX #29's clusters)."""
    left, right = text[place - 1], text[place]
    if "\N{ZERO WIDTH JOINER}" in (left, right) or "\U0001f3fb" <= right <= "\U0001f3ff":
        return True
    letters = _FLAG_LETTERS.search(text, 0, place)
    if letters is not None and _FLAG_LETTERS.match(right):
        # Two letters are a flag; of a row of them, the first two, the next two and so on.
        return len(letters[0]) % 2 == 1
    return unicodedata.category(right) in ("Mn", "Me", "Mc")


def _outermost(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for span in spans:
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found


def _around(outer: Sequence[Span], start: int, end: int) -> Span | None:
    """The entity that a cut from `start` to `end` would tear, if any."""
    index = bisect_left(outer, start, key=lambda span: span.start) - 1
    if index >= 0 and outer[index].start < start and outer[index].end > end:
        return outer[index]
    return None


def _raw(html: str) -> int:
    return len(html.encode("utf-8", "surrogatepass"))
