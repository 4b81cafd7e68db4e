"""An SMTP reply as a value, and how to read one from a wire, a log line or a bounce."""

from __future__ import annotations

import re
from typing import NamedTuple

ENHANCED_CLASSES = frozenset("245")
ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\.?\d)")
BASIC = re.compile(r"(?<![\w.:/-])([2-5]\d\d)(?=[ \-\t\r\n]|$)")
HEAD = re.compile(r"^\s*(?:smtp\s*;\s*)?([2-5]\d\d)(?=[ \-\t\r\n]|$)", re.IGNORECASE)


class Reply(NamedTuple):
    """One server reply.

    Attributes:
        code: The three-digit code (RFC 5321 section 4.2); 0 if the text carries none.
        enhanced: RFC 3463 status such as `5.1.1`, or an empty string.
        text: Every line's text joined by one space, codes removed.
    """

    code: int
    enhanced: str
    text: str

    @property
    def positive(self) -> bool:
        """True for a 2xx reply."""
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        """True for a 5xx reply."""
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code or ""), self.enhanced, self.text) if part)


def parse_lines(code: int, lines: list[str]) -> Reply:
    """Make a reply from its code and the text of its lines (without code and separator)."""
    enhanced = ""
    texts = []
    for line in lines:
        found = ENHANCED.match(line) if line[:1] in ENHANCED_CLASSES else None
        if found:
            enhanced = enhanced or found.group()
            line = line[found.end() :].lstrip()  # noqa: PLW2901 - the rest of the same line
        texts.append(line)
    text = " ".join(filter(None, texts))
    if not enhanced and code >= 400 and "." in text:
        enhanced = _enhanced_inside(code, text)
    return Reply(code, enhanced, text)


def parse_text(raw: str) -> Reply:
    """Read a reply written in one string: multi-line, folded into one line, or as a bounce quotes it.

    A text without a basic code gets one from its enhanced code (`5.1.1 ...` reads as 550).
    """
    raw = raw.replace("\\r\\n", "\n").replace("\\n", "\n").strip()
    head = HEAD.match(raw) or BASIC.search(raw)
    enhanced = ""
    if head is None:
        found = ENHANCED.search(raw)
        code = {"4": 450, "5": 550, "2": 250}[found.group(1)] if found else 0
        body = raw
    else:
        code = int(head.group(1))
        body = raw[head.end(1) :]
    found = ENHANCED.match(body.lstrip(" -\t"))
    if found:
        enhanced = found.group()
    # A folded reply repeats "550-5.1.1 " inside its text; a sentence must not be cut by it.
    if code:
        repeated = (
            rf"(?<![\w.])(?:{code}[ -])?#?(?<![\d.]){re.escape(enhanced)}(?![\d.])\s*" if enhanced else ""
        )
        body = re.sub(rf"(?<![\w.]){code}[ -](?=\S|$)", " ", body.lstrip(" -\t"))
        if repeated:
            body = re.sub(repeated, " ", body)
    if not enhanced:
        enhanced = _enhanced_inside(code, body)
    return Reply(code, enhanced, " ".join(body.split()).lstrip("- "))


def _enhanced_inside(code: int, text: str) -> str:
    """An enhanced code inside the text, as qmail and IronPort write it: `(#5.1.1)`, `#5.1.0`.

    One of the reply's own class is preferred: `550 ... 4.2.1` quotes another server.
    """
    found = [match.group() for match in ENHANCED.finditer(text)]
    same = [item for item in found if item.startswith(str(code)[:1])]
    return (same or found or [""])[0]
