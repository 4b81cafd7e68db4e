"""Read one reply: stage, then the vendor's and the table's rules in order, and say which rule decided.

Pure: no socket, no clock. The table is `rules.toml`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from validator.reply import Reply
from validator.status import Stage, Status

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
# What an `mx` condition calls a reply whose host is not known.
NO_NAME = "-"
# A reply is as long as its server likes; what a rule needs stands at its front.
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply in the forms that rules look at; see the head of `rules.toml`."""

    code: str
    enhanced: str
    text: str
    raw: str
    mx: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table; see the head of `rules.toml` for the meaning of each condition."""

    id: str
    status: Status
    reason: str
    confidence: float
    source: str
    stages: frozenset[Stage]
    codes: tuple[str, ...]
    enhanced: tuple[str, ...] = ()
    enhanced_not: tuple[str, ...] = ()
    text: re.Pattern[str] | None = None
    raw: re.Pattern[str] | None = None
    not_text: re.Pattern[str] | None = None
    mx: tuple[str, ...] = ()
    ask: str = ""

    def answers(self, code: str, stage: Stage) -> bool:
        """Whether the rule is about such a code at such a stage."""
        return (not self.stages or stage in self.stages) and any(
            code.startswith(prefix) if prefix else not code for prefix in self.codes
        )

    def fits(self, said: Heard) -> bool:
        """Whether every condition on the words and the RFC 3463 code holds."""
        return (
            (not self.enhanced or _enhanced_fits(said.enhanced, self.enhanced))
            and not (self.enhanced_not and _enhanced_fits(said.enhanced, self.enhanced_not))
            and (not self.mx or said.mx.endswith(self.mx))
            and self._speaks_of(said)
        )

    def _speaks_of(self, said: Heard) -> bool:
        if self.text or self.raw:
            in_text = self.text is not None and self.text.search(said.text)
            if not in_text and not (self.raw is not None and self.raw.search(said.raw)):
                return False
        return not (self.not_text and self.not_text.search(said.text))


@dataclass(frozen=True, slots=True)
class Finding:
    """What one reply means.

    Attributes:
        ask: `postmaster` where the meaning holds only if postmaster@ of the domain is answered differently.
    """

    status: Status
    reason: str
    confidence: float
    rule: str
    source: str
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rules in order, with the memory of replies already read (servers repeat themselves)."""

    rules: tuple[Rule, ...]
    vendors: tuple[str, ...] = ()
    _seen: dict[tuple[int, str, str, str, Stage], Finding] = field(default_factory=dict)
    _about: dict[tuple[str, Stage], tuple[Rule, ...]] = field(default_factory=dict)

    def classify(
        self, reply: Reply, *, stage: Stage = Stage.RCPT, mx: str = "", address: str = ""
    ) -> Finding:
        """Read a reply.

        Args:
            reply: What the server said.
            stage: The command it answers.
            mx: Host name of the server, for the vendors' dialects.
            address: The address asked about; its echo must not be read as the server's words.
        """
        mx = f".{mx.rstrip('.').lower()}" if mx else NO_NAME
        if not mx.endswith(self.vendors):
            mx = ""
        raw = without_addresses(reply.text, address)
        # A session's number must not make a reply new: "... - gsmtp d2e1a72fcca58-7si".
        key = (reply.code, reply.enhanced, SESSION_ID.sub("#", raw) if len(raw) > 40 else raw, mx, stage)
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= 1024:
                self._seen.clear()
            found = self._seen[key] = self._decide(reply, raw, mx, stage)
        return found

    def _decide(self, reply: Reply, raw: str, mx: str, stage: Stage) -> Finding:
        text = fold(raw)
        # Words without a code are a bounce's: what they say is read, what only the code would say is not.
        code = str(reply.code) if reply.code else "5" if text.strip() else ""
        said = Heard(code, reply.enhanced[2:], text, raw, mx, stage)
        for rule in self._rules_about(code, stage):
            if rule.fits(said):
                return Finding(rule.status, rule.reason, rule.confidence, rule.id, rule.source, rule.ask)
        return Finding(Status.UNKNOWN, "unclear", 0.5, "none", "no rule of the table fits")

    def _rules_about(self, code: str, stage: Stage) -> tuple[Rule, ...]:
        found = self._about.get((code, stage))
        if found is None:
            found = tuple(rule for rule in self.rules if rule.answers(code, stage))
            if len(self._about) < 1024:
                self._about[code, stage] = found
        return found


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


def _enhanced_fits(enhanced: str, wanted: Iterable[str]) -> bool:
    for item in wanted:
        if "-" in item:
            low, high = item.split("-")
            subject, _, detail = enhanced.partition(".")
            if subject == low.split(".")[0] and int(low.split(".")[1]) <= int(detail or -1) <= int(
                high.split(".")[1]
            ):
                return True
        elif enhanced == item or (item.endswith(".") and enhanced.startswith(item)):
            return True
    return False


def load_table(text: str) -> Table:
    """Read a table in the form of `rules.toml`.

    Raises:
        ValueError: naming the rule and what is wrong with it.
    """
    data = tomllib.loads(text)
    words = data.get("words", {})
    rules = tuple(_rule(entry, words) for entry in data.get("rule", []))
    names = [rule.id for rule in rules]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"rules: id used twice: {', '.join(sorted(twice))}")
    return Table(rules, tuple({suffix for rule in rules for suffix in rule.mx}))


@lru_cache(maxsize=1)
def default_table() -> Table:
    """The table shipped with the package."""
    return load_table(files("validator").joinpath("rules.toml").read_text("utf-8"))


def classify(reply: Reply, *, stage: Stage = Stage.RCPT, mx: str = "", address: str = "") -> Finding:
    """Read a reply by the shipped table; see `Table.classify`."""
    return default_table().classify(reply, stage=stage, mx=mx, address=address)


REQUIRED_KEYS = ("id", "status", "reason", "confidence", "source", "code")
KNOWN_KEYS = {*REQUIRED_KEYS, "stage", "enhanced", "enhanced_not", "text", "raw", "not_text", "mx", "ask"}


def _rule(entry: dict[str, object], words: dict[str, str]) -> Rule:
    name = str(entry.get("id", "?"))
    unknown = entry.keys() - KNOWN_KEYS
    if unknown:
        raise ValueError(f"rules: {name}: unknown key {', '.join(sorted(unknown))}")
    missing = [key for key in REQUIRED_KEYS if key not in entry]
    if missing:
        raise ValueError(f"rules: {name}: {', '.join(missing)} missing")
    try:
        rule = Rule(
            id=name,
            status=Status(str(entry["status"])),
            reason=str(entry["reason"]),
            confidence=float(str(entry["confidence"])),
            source=str(entry["source"]),
            stages=frozenset(Stage(word) for word in _strings(entry, "stage")),
            codes=_strings(entry, "code"),
            enhanced=_strings(entry, "enhanced"),
            enhanced_not=_strings(entry, "enhanced_not"),
            text=_pattern(_strings(entry, "text"), words),
            raw=_pattern(_strings(entry, "raw"), words),
            not_text=_pattern(_strings(entry, "not_text"), words),
            mx=_strings(entry, "mx"),
            ask=str(entry.get("ask", "")),
        )
    except (ValueError, re.error) as error:
        raise ValueError(f"rules: {name}: {error}") from None
    if rule.status is Status.MAILBOX_NOT_FOUND and rule.stages != {Stage.RCPT}:
        raise ValueError(f"rules: {name}: only an answer to RCPT may say MAILBOX_NOT_FOUND")
    return rule


def _strings(entry: dict[str, object], key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list")  # noqa: TRY004 - one kind of error for a bad table
    return tuple(str(item) for item in value)


def _pattern(patterns: tuple[str, ...], words: dict[str, str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    expanded = []
    for pattern in patterns:
        for word, meaning in words.items():
            pattern = pattern.replace("{" + word + "}", meaning)  # noqa: PLW2901 - expansion in steps
        expanded.append(f"(?:{pattern})")
    return re.compile("|".join(expanded))
