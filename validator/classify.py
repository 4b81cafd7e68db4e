"""Read one reply: stage, then the vendor's and the table's rules in order, and say which rule decided.

Pure: no socket, no clock. The table is `rules.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from validator.reply import Reply
from validator.status import Stage, Status
from validator.wording import SESSION_ID, Words, fold, without_addresses

# What an `mx` condition calls a reply whose host is not known.
NO_NAME = "-"
MOST_SEEN, LONGEST_HEARD = 1024, 200


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
    text: Words | None = None
    raw: Words | None = None
    not_text: Words | None = None
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

    @property
    def unconditional(self) -> bool:
        """Whether code and stage alone decide."""
        words = self.text or self.raw or self.not_text
        return not (words or self.enhanced or self.enhanced_not or self.mx)

    def prove(self) -> None:
        """Compile every pattern.

        Raises:
            ValueError: naming the rule and what is wrong with it.
        """
        try:
            for words in (self.text, self.raw, self.not_text):
                if words is not None:
                    words.compile()
        except re.error as error:
            raise ValueError(f"rules: {self.id}: {error}") from None

    def _speaks_of(self, said: Heard) -> bool:
        if self.text or self.raw:
            in_text = self.text is not None and self.text.in_text(said.text)
            if not in_text and not (self.raw is not None and self.raw.in_text(said.raw)):
                return False
        return not (self.not_text and self.not_text.in_text(said.text))


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
    """Rules in order, with the memory of replies already read (servers repeat themselves).

    A code whose first rule has no condition needs no words. Replies that name no address are known
    by their words as they came, others once the address is taken out.
    """

    rules: tuple[Rule, ...]
    vendors: tuple[str, ...] = ()
    _certain: dict[tuple[int, Stage], Finding] = field(default_factory=dict)
    _heard: dict[tuple[Reply, str, Stage], tuple[Finding, str]] = field(default_factory=dict)
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
        certain = self._certain.get((reply.code, stage))
        if certain is not None:
            return certain
        mx = _dialect(mx, self.vendors)
        heard = self._heard.get((reply, mx, stage))
        if heard is not None:
            finding, lowered = heard
            local, _, domain = address.lower().rpartition("@")
            if not (local and local in lowered) and not (domain and domain in lowered):
                return finding
        raw = without_addresses(reply.text, address)
        # A session's number must not make a reply new: "... - gsmtp d2e1a72fcca58-7si".
        key = (reply.code, reply.enhanced, SESSION_ID.sub("#", raw) if len(raw) > 40 else raw, mx, stage)
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            found = self._seen[key] = self._decide(reply, raw, mx, stage)
        if len(raw) <= LONGEST_HEARD and "@" not in raw and "<" not in reply.text:
            if len(self._heard) >= MOST_SEEN:
                self._heard.clear()
            self._heard[reply, mx, stage] = found, raw
        return found

    def _decide(self, reply: Reply, raw: str, mx: str, stage: Stage) -> Finding:
        text = fold(raw)
        # Words without a code are a bounce's: what they say is read, what only the code would say is not.
        code = str(reply.code) if reply.code else "5" if text.strip() else ""
        said = Heard(code, reply.enhanced[2:], text, raw, mx, stage)
        rules = self._rules_about(code, stage)
        for rule in rules:
            if rule.fits(said):
                finding = Finding(rule.status, rule.reason, rule.confidence, rule.id, rule.source, rule.ask)
                if rule.unconditional and rule is rules[0] and reply.code:
                    self._certain[reply.code, stage] = finding
                return finding
        return Finding(Status.UNKNOWN, "unclear", 0.5, "none", "no rule of the table fits")

    def _rules_about(self, code: str, stage: Stage) -> tuple[Rule, ...]:
        found = self._about.get((code, stage))
        if found is None:
            found = tuple(rule for rule in self.rules if rule.answers(code, stage))
            if len(self._about) < MOST_SEEN:
                self._about[code, stage] = found
        return found


@lru_cache(MOST_SEEN)
def _dialect(mx: str, vendors: tuple[str, ...]) -> str:
    """The host's name where rules are kept for its vendor, else nothing."""
    name = f".{mx.rstrip('.').lower()}" if mx else NO_NAME
    return name if name.endswith(vendors) else ""


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


def load_table(text: str, *, proven: bool = False) -> Table:
    """Read a table in the form of `rules.toml`.

    Args:
        text: The table.
        proven: Its patterns are known to compile, so that need not be tried now.

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
    if not proven:
        for rule in rules:
            rule.prove()
    return Table(rules, tuple({suffix for rule in rules for suffix in rule.mx}))


@lru_cache(maxsize=1)
def default_table() -> Table:
    """The table shipped with the package."""
    return load_table(files("validator").joinpath("rules.toml").read_text("utf-8"), proven=True)


def classify(reply: Reply, *, stage: Stage = Stage.RCPT, mx: str = "", address: str = "") -> Finding:
    """Read a reply by the shipped table; see `Table.classify`."""
    return default_table().classify(reply, stage=stage, mx=mx, address=address)


def warm_up() -> None:
    """Read the table, and compile the patterns that a refusal is held against, before one comes."""
    classify(Reply(550, "", "no such user"))


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
            text=_words(entry, "text", words),
            raw=_words(entry, "raw", words),
            not_text=_words(entry, "not_text", words),
            mx=_strings(entry, "mx"),
            ask=str(entry.get("ask", "")),
        )
    except ValueError as error:
        raise ValueError(f"rules: {name}: {error}") from None
    if rule.status is Status.MAILBOX_NOT_FOUND and rule.stages != {Stage.RCPT}:
        raise ValueError(f"rules: {name}: only an answer to RCPT may say MAILBOX_NOT_FOUND")
    return rule


def _strings(entry: dict[str, object], key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list")  # noqa: TRY004 - one kind of error for a bad table
    return tuple(str(item) for item in value)


def _words(entry: dict[str, object], key: str, classes: Mapping[str, str]) -> Words | None:
    patterns = _strings(entry, key)
    return Words(patterns, classes) if patterns else None
