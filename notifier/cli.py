"""The `notifier` command: tell the team on Telegram from a shell, a unit or a cron job."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import App, Parameter

from notifier import (
    Alert,
    Attachment,
    Clock,
    ConfigurationError,
    Fate,
    Message,
    MessageError,
    Notifier,
    OutboxError,
    Plain,
    Receipt,
    Report,
    Server,
    Status,
    Templates,
    TokenRefusedError,
    credentials,
    default_outbox,
)
from notifier import status as status_of
from notifier.bot import API
from notifier.clock import SPEED
from notifier.messages import FILE_BYTES
from notifier.notifier import WAIT
from notifier.sender import WORKERS

app = App(
    name="notifier",
    help="Tell the team on Telegram, once, surely. The bot's token and the chat come from TELEGRAM_BOT_TOKEN"
    " and TELEGRAM_CHAT_ID, or from a file.",
    default_parameter=Parameter(negative=()),
)

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
            clock=_clock(),
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
            Attachment(path.name, _bytes(path), photo)
            for photo, paths in ((True, self.photo), (False, self.document))
            for path in paths
        ]


@app.command
def send(
    text: Text = "",
    *,
    file: Path | None = None,
    html: bool = False,
    delivery: Delivery = Delivery(),
    line: Line = Line(),
) -> int:
    """Send a text: TEXT, or of a file, or of standard input with `-`.

    Args:
        text: what to say; `-` reads standard input.
        file: say what this file holds.
        html: the text is Telegram's HTML; otherwise it is shown as it stands.
        delivery: how it is delivered.
        line: how Telegram is reached.
    """
    with _one_line():
        if text and file is not None:
            raise MessageError("give TEXT or --file, not both")
        body = text if file is None else _decoded(_bytes(file), str(file))
        if text == "-":
            body = _decoded(sys.stdin.buffer.read(FILE_BYTES + 1), "standard input")
        return _send(Plain(body, html), delivery, line)


@app.command
def alert(
    rule: str,
    *,
    value: Text,
    limit: Text,
    sample: Text = "",
    command: Text = "",
    source: str = "",
    delivery: Delivery = Delivery(),
    line: Line = Line(),
) -> int:
    """Say that a rule was broken.

    Args:
        rule: what is watched.
        value: what was measured.
        limit: what is allowed.
        sample: what the value rests on.
        command: what to run.
        source: who found it; otherwise this host.
        delivery: how it is delivered.
        line: how Telegram is reached.
    """
    with _one_line():
        return _send(
            Alert(rule, value, limit, sample, command, source or os.uname().nodename), delivery, line
        )


@app.command
def report(
    title: str,
    text: Text = "-",
    *,
    source: str = "",
    delivery: Delivery = Delivery(),
    line: Line = Line(),
) -> int:
    """Send something worth reading that breaks no rule.

    Args:
        title: its first line.
        text: the rest; `-` reads standard input.
        source: who reports; otherwise this host.
        delivery: how it is delivered.
        line: how Telegram is reached.
    """
    with _one_line():
        if text == "-":
            text = _decoded(sys.stdin.buffer.read(FILE_BYTES + 1), "standard input")
        return _send(Report(title, text, source or os.uname().nodename), delivery, line)


@app.command
def flush(*, wait: Seconds = 60.0, refused: bool = False, line: Line = Line()) -> int:
    """Send what is queued; exit status 1 if something is left.

    Args:
        wait: how long to try.
        refused: try also what was refused or not delivered in time.
        line: how Telegram is reached.
    """
    with _one_line():
        left = line.notifier().flush(wait, again=refused)
        _say("the queue is empty" if left == 0 else f"{left} left in the queue")
        return 1 if left else 0


@app.command
def status(*, json: bool = False, place: Place = Place()) -> int:
    """Show the queue.

    Args:
        json: as JSON.
        place: where the queue is.
    """
    with _one_line():
        _show(status_of(place.path, _clock()), as_json=json)
        return 0


@app.command
def serve(*, workers: int = WORKERS, line: Line = Line()) -> int:
    """Send whatever is queued, until SIGTERM.

    Args:
        workers: requests under way at once.
        line: how Telegram is reached.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with _one_line():
        line.notifier().serve(workers)
        return 0


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()


def _send(message: Message, delivery: Delivery, line: Line) -> int:
    # What becomes of the message is said below; this is for what somebody must do.
    logging.basicConfig(level=logging.ERROR, format="notifier: %(message)s")
    receipt = line.notifier().send(
        message,
        delivery.attachments(),
        wait=delivery.wait,
        lifetime=delivery.within,
        silent=delivery.silent,
        dedupe_key=delivery.dedupe_key,
        window=delivery.window,
    )
    if receipt.remark:
        sys.stderr.write(f"notifier: {receipt.remark}\n")
    _say(json.dumps(receipt.as_dict()) if delivery.json else _words(receipt))
    return 1 if receipt.fate is Fate.REFUSED else 0


def _words(receipt: Receipt) -> str:
    return f"{receipt.fate} #{receipt.event}" + (f": {receipt.reason}" if receipt.reason else "")


def _show(found: Status, *, as_json: bool) -> None:
    if as_json:
        _say(json.dumps(found.as_dict()))
        return
    _say(f"waiting {found.waiting} (oldest {found.oldest_seconds:.0f} s), sent {found.sent} in a week")
    _say(f"refused {found.refused}, not in time {found.expired}, outcome unknown {found.unknown} times")
    _say(
        f"senders {found.senders}" + (f", held for {found.held_seconds:.0f} s" if found.held_seconds else "")
    )
    for entry in found.unsent:
        _say(f"  {entry.state} #{entry.event} to {entry.chat}: {entry.reason}")


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (ConfigurationError, MessageError, OutboxError, TokenRefusedError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"notifier: {message}\n")
    raise SystemExit(1)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _stop(notifier: Notifier, number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    notifier.stop()


def _clock() -> Clock:
    return Clock(_number(SPEED, 1.0))


def _number(name: str, otherwise: float) -> float:
    """A number above 0 from the environment."""
    text = os.environ.get(name) or str(otherwise)
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise ConfigurationError(f"{name} is {text!r}, not a number above 0")
    return float(text)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES:
            raise MessageError(f"{path} has {path.stat().st_size:,} bytes; Telegram takes {FILE_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise MessageError(f"cannot read {path}: {error.strerror}") from None


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"{name} is no UTF-8 text (byte {error.start}); send it with --document") from None
