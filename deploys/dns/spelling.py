"""How records are spelled on the wire and normalised back: paired, so that a round trip changes nothing.

Without this, any difference in quotes, chunks, dots or automatic TTLs would be a change that never goes away.
"""

from __future__ import annotations

import re

from deploys.world import AUTO_TTL

CHUNK = 255
"""Octets in one character-string of a TXT record (RFC 1035 section 3.3)."""

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(\d{3}|.)")


def quoted(value: str) -> str:
    """TXT text as quoted character-strings of at most 255 octets each. Our records are ASCII."""
    chunks = [value[start : start + CHUNK] for start in range(0, len(value), CHUNK)] or [""]
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", chunk) + '"' for chunk in chunks)


def unquoted(content: str) -> str:
    """TXT text out of any spelling: quoted or not, chunked or not, escaped or not."""
    strings = _STRING.findall(content)
    joined = "".join(strings) if content.lstrip().startswith('"') and strings else content
    return _ESCAPE.sub(lambda match: _unescape(match.group(1)), joined)


def _unescape(escape: str) -> str:
    return chr(int(escape)) if escape.isdigit() and len(escape) == 3 else escape


def dotless(name: str) -> str:
    """A name in lower case without its trailing dot; the root stays a dot."""
    return name.lower().rstrip(".") or "."


def auto_ttl(ttl: float) -> int:
    """Seconds, with Cloudflare's automatic TTL made plain."""
    return AUTO_TTL if ttl == 1 else int(ttl)
