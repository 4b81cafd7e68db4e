"""The options of the `notifier` command, and what they are read from."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from notifier.bot import API, ConfigurationError, Server
from notifier.clock import SPEED, Clock
from notifier.credentials import credentials
from notifier.messages import FILE_BYTES, Attachment, MessageError
from notifier.notifier import WAIT, Notifier, default_outbox
from notifier.render import Templates

TIMEOUT = "NOTIFIER_TIMEOUT"
"""Seconds to wait for an answer of Telegram, instead of 15."""

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(_type: object, tokens: Sequence[object]) -> float:
    text = str(getattr(tokens[0], "value", tokens[0]))
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time: write 90, 90s, 15m, 24h or 7d")
    return float(found[1]) * _UNITS[found[2]]


Seconds = Annotated[float, Parameter(converter=_seconds)]
Text = Annotated[str, Parameter(allow_leading_hyphen=True)]


@Parameter(name="*")
@dataclass(frozen=True)
class Place:
    """Where the queue is.

    Args:
        outbox: the queue's file.
    """

    outbox: Path | None = None

    @property
    def path(self) -> Path:
        """The file meant."""
        return self.outbox or default_outbox()


@Parameter(name="*")
@dataclass(frozen=True)
class Line(Place):
    """How Telegram is reached.

    Args:
        base_url: a local Bot API server instead of Telegram's; also TELEGRAM_BASE_URL.
        credentials: a file of NAME=value lines with TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID.
        templates: a directory of own alert.html and report.html.
    """

    base_url: Annotated[str, Parameter(env_var="TELEGRAM_BASE_URL")] = API
    credentials: Path | None = None
    templates: Annotated[Path | None, Parameter(env_var="NOTIFIER_TEMPLATES")] = None

    def notifier(self) -> Notifier:
        """A notifier that ends its work on the first SIGTERM or SIGINT, and at once on the second."""
        notifier = Notifier(
            credentials(file=self.credentials),
            self.path,
            server=Server(self.base_url, _number(TIMEOUT, Server.seconds)),
            clock=clock(),
            templates=Templates(self.templates),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: _stop(notifier, received))
        return notifier


@Parameter(name="*")
@dataclass(frozen=True)
class Delivery:
    """How a message is delivered.

    Args:
        photo: a picture to send along; may be given several times.
        document: a file to send along; may be given several times.
        silent: deliver without a sound.
        wait: how long to wait for the delivery; 0 only queues.
        within: how long it is worth sending.
        dedupe_key: what is the same alert; repeats are counted instead of sent.
        window: for how long repeats are counted.
        json: answer as JSON.
    """

    photo: tuple[Path, ...] = ()
    document: tuple[Path, ...] = ()
    silent: bool = False
    wait: Seconds = WAIT
    within: Seconds = 86400.0
    dedupe_key: str = ""
    window: Seconds = 3600.0
    json: bool = False

    def attachments(self) -> list[Attachment]:
        """The files, read."""
        return [
            Attachment(path.name, file_bytes(path), photo)
            for photo, paths in ((True, self.photo), (False, self.document))
            for path in paths
        ]


def _stop(notifier: Notifier, number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    notifier.stop()


def clock() -> Clock:
    """The time, which only a test may hurry."""
    return Clock(_number(SPEED, 1.0))


def _number(name: str, otherwise: float) -> float:
    """A number above 0 from the environment."""
    text = os.environ.get(name) or str(otherwise)
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise ConfigurationError(f"{name} is {text!r}, not a number above 0")
    return float(text)


def file_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        MessageError: it cannot be read, or Telegram takes none so large.
    """
    try:
        if path.stat().st_size > FILE_BYTES:
            raise MessageError(f"{path} has {path.stat().st_size:,} bytes; Telegram takes {FILE_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise MessageError(f"cannot read {path}: {error.strerror}") from None


def decoded(data: bytes, name: str) -> str:
    """Bytes as text.

    Raises:
        MessageError: they are none.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"{name} is no UTF-8 text (byte {error.start}); send it with --document") from None
