"""What can be said to the team."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

PHOTO_BYTES = 10 * 1000 * 1000
FILE_BYTES = 50 * 1000 * 1000
"""Bytes of a photo and of any file (https://core.telegram.org/bots/api#sending-files)."""


class MessageError(ValueError):
    """The message cannot be sent as it is; one line that says why."""


@dataclass(frozen=True)
class Alert:
    """A rule was broken: what was measured, what is allowed, on how much it rests, what to do.

    Args:
        rule: what is watched, such as `bounce rate`.
        value: what was measured.
        limit: what is allowed.
        sample: what the value rests on, such as `312 messages in an hour`.
        command: what to run.
        source: who found it, such as a host's name.
    """

    template: ClassVar[str] = "alert"

    rule: str
    value: str
    limit: str
    sample: str = ""
    command: str = ""
    source: str = ""


@dataclass(frozen=True)
class Report:
    """Something that is worth reading but breaks no rule."""

    template: ClassVar[str] = "report"

    title: str
    body: str
    source: str = ""


@dataclass(frozen=True)
class Plain:
    """A text as it stands; with `html`, in Telegram's HTML."""

    text: str
    html: bool = False


Message = Alert | Report | Plain


class Method(StrEnum):
    """The method of the Bot API that a part is sent by."""

    TEXT = "sendMessage"
    PHOTO = "sendPhoto"
    DOCUMENT = "sendDocument"


@dataclass(frozen=True)
class Attachment:
    """A file to send along; what is too large for a photo goes as a document.

    Raises:
        MessageError: it is empty, or larger than Telegram takes.
    """

    name: str
    data: bytes
    photo: bool = False

    def __post_init__(self) -> None:
        if not self.data:
            raise MessageError(f"{self.name} is empty")
        if len(self.data) > FILE_BYTES:
            raise MessageError(f"{self.name} has {len(self.data):,} bytes; Telegram takes {FILE_BYTES:,}")

    @property
    def method(self) -> Method:
        """How it is sent."""
        return Method.PHOTO if self.photo and len(self.data) <= PHOTO_BYTES else Method.DOCUMENT
