"""The `notifier` command: tell the team on Telegram from a shell, a unit or a cron job."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cyclopts import App, Parameter

from notifier import (
    Alert,
    ConfigurationError,
    Message,
    MessageError,
    OutboxError,
    Plain,
    Receipt,
    Report,
    Status,
    TokenRefusedError,
)
from notifier import status as status_of
from notifier.messages import FILE_BYTES
from notifier.options import Delivery, Line, Place, Seconds, Text, clock, decoded, file_bytes
from notifier.sender import WORKERS

app = App(
    name="notifier",
    help="Tell the team on Telegram, once, surely. The bot's token and the chat come from TELEGRAM_BOT_TOKEN"
    " and TELEGRAM_CHAT_ID, or from a file.",
    default_parameter=Parameter(negative=()),
)

# Frozen, so one of each may serve as every command's default.
_DELIVERY, _LINE, _PLACE = Delivery(), Line(), Place()


@app.command
def send(
    text: Text = "",
    *,
    file: Path | None = None,
    html: bool = False,
    delivery: Delivery = _DELIVERY,
    line: Line = _LINE,
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
        body = text if file is None else decoded(file_bytes(file), str(file))
        if text == "-":
            body = decoded(sys.stdin.buffer.read(FILE_BYTES + 1), "standard input")
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
    delivery: Delivery = _DELIVERY,
    line: Line = _LINE,
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
    delivery: Delivery = _DELIVERY,
    line: Line = _LINE,
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
            text = decoded(sys.stdin.buffer.read(FILE_BYTES + 1), "standard input")
        return _send(Report(title, text, source or os.uname().nodename), delivery, line)


@app.command
def flush(*, wait: Seconds = 60.0, refused: bool = False, line: Line = _LINE) -> int:
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
def status(*, json: bool = False, place: Place = _PLACE) -> int:
    """Show the queue.

    Args:
        json: as JSON.
        place: where the queue is.
    """
    with _one_line():
        found = status_of(place.path, clock())
        if not json and found == Status():
            _say(f"nothing queued in {place.path}")
        else:
            _show(found, as_json=json)
        return 0


@app.command
def serve(*, workers: int = WORKERS, line: Line = _LINE) -> int:
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
    return 0 if receipt.told else 1


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
