"""The words of a reply: the forms that rules look at, and the patterns they look for. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

ADDRESS = re.compile(r"<[^<>\s]*@[^<>\s]*>|[^\s<>()\[\]\"',;:]+@[\w.-]+|<[^<>\s]+@?>")
URL = re.compile(r"(?:https?|ftp)[: ]//\S+|\bwww\.\S+|\bmailto:\S+", re.IGNORECASE)
IP = re.compile(
    r"\[?\b(?:\d{1,3}\.){3}\d{1,3}\b\]?|\[?(?:ipv6:)?(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:]{1,}\]?", re.IGNORECASE
)
ENHANCED_SAID = re.compile(r"\(?#?(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])\)?")
HOST = re.compile(r"\b(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z]{2,}\b", re.IGNORECASE)
SESSION_ID = re.compile(r"\b(?=[a-z0-9_-]*\d)[a-z0-9_-]{10,}\b")
PUNCTUATION = re.compile(r"[^\w@]+|_+")
# Letters that Unicode does not take apart into a base and a mark.
UNDIVIDED = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae"})
# A reply is as long as its server likes; what a rule needs stands at its front.
LONGEST_TEXT = 2000


def without_addresses(text: str, address: str = "") -> str:
    """Lower the text and put `@addr` for every address in it: a local part may be called spam-trap."""
    # Sendmail joins with dots: "not allowed...joe@example.com".
    lowered = _plain(text[:LONGEST_TEXT]).replace("...", " ")
    if address:
        local, _, domain = address.lower().rpartition("@")
        lowered = lowered.replace(address.lower(), " @addr ")
        if len(local) >= 3 and local in lowered:
            lowered = re.sub(rf"(?<![\w@]){re.escape(local)}(?!\w)", " @addr ", lowered)
        if domain in lowered:
            lowered = lowered.replace(domain, "@host")
    return ADDRESS.sub(" @addr ", lowered) if "@" in lowered or "<" in lowered else lowered


def fold(raw: str) -> str:
    """The form that `text` patterns see; see the head of `rules.toml`."""
    text = ENHANCED_SAID.sub(" ", URL.sub(" @url ", raw))
    text = IP.sub(" @ip ", text)
    text = HOST.sub(" @host ", text)
    text = text.replace("'", "").replace("’", "").replace("`", "")
    return f" {' '.join(PUNCTUATION.sub(' ', text).split())} "


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    # The marks that make a Japanese syllable voiced are combining too, but another letter without them.
    split = unicodedata.normalize("NFKD", text.lower().translate(UNDIVIDED))
    kept = (char for char in split if not unicodedata.combining(char) or char in "\u3099\u309a")
    return unicodedata.normalize("NFC", "".join(kept))


class Words:
    """Patterns of which one must be found; each is compiled when it is first looked for.

    To compile the whole table takes as long as checking a thousand addresses, and a run needs a tenth of it.

    Args:
        patterns: Regular expressions, `{word}` standing for a word class.
        classes: The word classes.
    """

    __slots__ = ("_classes", "_compiled", "_patterns")

    def __init__(self, patterns: tuple[str, ...], classes: Mapping[str, str]) -> None:
        self._patterns = patterns
        self._classes = classes
        self._compiled: list[re.Pattern[str]] = []

    def in_text(self, text: str) -> bool:
        """Whether one is found."""
        for pattern in self._compiled:
            if pattern.search(text):
                return True
        return any(pattern.search(text) for pattern in self._further())

    def compile(self) -> None:
        """Compile all.

        Raises:
            re.error: on one that is wrong.
        """
        for _ in self._further():
            pass

    def _further(self) -> Iterator[re.Pattern[str]]:
        for pattern in self._patterns[len(self._compiled) :]:
            for name, meaning in self._classes.items():
                pattern = pattern.replace("{" + name + "}", meaning)  # noqa: PLW2901 - expansion in steps
            self._compiled.append(re.compile(pattern))
            yield self._compiled[-1]
