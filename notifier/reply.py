"""What an answer of the Bot API means for the message it is about.

Sources: https://core.telegram.org/bots/api#making-requests and #responseparameters; the texts and numbers are
those of tdlib/telegram-bot-api (Client.cpp, Query.cpp, HttpConnection.cpp).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any


class Scope(StrEnum):
    """Whom a refusal concerns."""

    CHAT = "chat"
    BOT = "bot"


@dataclass(frozen=True)
class Delivered:
    """Telegram took the message; without `message_id` where its answer could not be read to the end."""

    message_id: int | None


@dataclass(frozen=True)
class RetryAfter:
    """429: not before `seconds` have passed since the answer. Whom it concerns, Telegram does not say."""

    seconds: float


@dataclass(frozen=True)
class Retry:
    """No verdict.

    Args:
        reason: one line for people.
        unknown: whether Telegram may have taken the message all the same; sending again may then repeat it.
        answered: whether a server answered at all.
        seconds: what the answer asks to wait at least.
    """

    reason: str
    unknown: bool
    answered: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Refused:
    """Telegram will never take it: this message, or (scope bot: the token) any."""

    reason: str
    scope: Scope = Scope.CHAT


@dataclass(frozen=True)
class Migrated:
    """The group has become a supergroup with this identifier."""

    chat: str


@dataclass(frozen=True)
class BadMarkup:
    """The text's markup is refused; as plain text it may pass."""

    reason: str


@dataclass(frozen=True)
class BadPhoto:
    """The picture is refused as a photo (its proportions, its size); as a file it may pass."""

    reason: str


Outcome = Delivered | RetryAfter | Retry | Refused | Migrated | BadMarkup | BadPhoto

_PHOTO = re.compile(r"PHOTO_|IMAGE_PROCESS_FAILED")
_WORDS = re.compile(r"retry after (\d+)")


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Outcome:
    """What an HTTP answer means.

    Args:
        status: the HTTP status.
        headers: with names compared as the mapping does; `Retry-After` is read.
        body: as far as it came.
        now: seconds since the epoch, for a `Retry-After` that names a date.
    """
    answer = _object(body)
    said = _sentence(str(answer.get("description") or ""))
    match status:
        case 200:
            return _accepted(answer, body)
        case 400:
            return _bad_request(answer, said)
        case 429:
            return _limited(_retry_after(answer, headers, said, now))
    return _other(status, f"{status} {said}".strip(), _header(headers, now) or 0.0)


def _accepted(answer: Mapping[str, Any], body: bytes) -> Outcome:
    result = answer.get("result")
    if answer.get("ok") is True and isinstance(result, dict):
        number = result.get("message_id")
        return Delivered(number if isinstance(number, int) else None)
    # Cut short, but the verdict stands at its beginning; sending again would repeat the message.
    if re.match(rb'\s*\{\s*"ok"\s*:\s*true\b', body):
        return Delivered(None)
    return Retry("an answer that is not Telegram's; check the base URL", unknown=True, answered=True)


def _limited(seconds: float | None) -> Outcome:
    if seconds is None:
        return Retry("429 without a time to wait", unknown=False, answered=True)
    return RetryAfter(seconds)


def _other(status: int, reason: str, seconds: float) -> Outcome:
    if status in (401, 404, 421):
        return Refused(f"{reason}: check the bot token and the base URL", Scope.BOT)
    if status in (408, 425) or status >= 500:
        return Retry(reason, unknown=True, answered=True, seconds=seconds)
    if 300 <= status < 400:
        return Refused(f"{reason}: the base URL leads elsewhere", Scope.BOT)
    return Refused(reason)


def _bad_request(answer: Mapping[str, Any], said: str) -> Outcome:
    chat = _parameters(answer).get("migrate_to_chat_id")
    if isinstance(chat, int) and not isinstance(chat, bool):
        return Migrated(str(chat))
    if "can't parse entities" in said.lower():
        return BadMarkup(said)
    if _PHOTO.search(said):
        return BadPhoto(said)
    return Refused(f"400 {said}".strip())


def _retry_after(
    answer: Mapping[str, Any], headers: Mapping[str, str], said: str, now: float
) -> float | None:
    """Seconds: of the body first, else of the header, else of the words."""
    seconds = _parameters(answer).get("retry_after")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        return float(seconds)
    header = _header(headers, now)
    if header is not None:
        return header
    words = _WORDS.search(said)
    return float(words[1]) if words else None


def _header(headers: Mapping[str, str], now: float) -> float | None:
    """`Retry-After` in seconds; RFC 9110, section 10.2.3, allows a date too."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _parameters(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = answer.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def _sentence(text: str) -> str:
    """One line that is safe to log, whoever wrote it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[:300]).split())


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
