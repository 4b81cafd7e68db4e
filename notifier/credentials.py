"""The bot's token and the team's chat: from the environment or a file, never from a command line.

A command line is seen by every user of the machine and kept in shell histories; so there is no option for
either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notifier.bot import ConfigurationError, Token

TOKEN = "TELEGRAM_BOT_TOKEN"  # noqa: S105 - a variable's name
CHAT = "TELEGRAM_CHAT_ID"

DEFAULT_FILE = Path("/etc/outreach/telegram.env")


@dataclass(frozen=True)
class Credentials:
    """Who sends, and to whom unless said otherwise."""

    token: Token
    chat: str


def credentials(environ: Mapping[str, str] = os.environ, file: Path | None = None) -> Credentials:
    """Find the token and the chat.

    Each is looked for in the environment (`TELEGRAM_BOT_TOKEN`, `TELEGRAM_CHAT_ID`), then in systemd's
    `$CREDENTIALS_DIRECTORY` (files `telegram_bot_token`, `telegram_chat_id`; systemd.exec(5),
    LoadCredential=), then in `file`: lines `NAME=value`, closed to other users; without one, in
    :data:`DEFAULT_FILE` if it exists.

    Raises:
        ConfigurationError: one is missing or has the wrong form, or a file cannot be used.
    """
    given = _lines(file) if file is not None else _lines(DEFAULT_FILE) if DEFAULT_FILE.exists() else {}
    found = {name: _value(name, environ, given) for name in (TOKEN, CHAT)}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ConfigurationError(
            f"no {' and no '.join(missing)}: set it in the environment or in {file or DEFAULT_FILE}"
        )
    return Credentials(Token(found[TOKEN]), checked_chat(found[CHAT]))


def checked_chat(chat: str) -> str:
    """The chat's identifier.

    Raises:
        ConfigurationError: it is neither a number nor an @name.
    """
    if not re.fullmatch(r"-?\d+|@[A-Za-z]\w{3,}", chat):
        raise ConfigurationError(f"the chat {chat!r} is neither a number nor an @name")
    return chat


def _value(name: str, environ: Mapping[str, str], given: Mapping[str, str]) -> str:
    if environ.get(name, "").strip():
        return environ[name].strip()
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory:
        path = Path(directory) / name.lower()
        if path.exists():
            return _read(path).strip()
    return given.get(name, "").strip()


def _lines(path: Path) -> dict[str, str]:
    text = _read(path)
    if path.stat().st_mode & 0o007:
        raise ConfigurationError(f"{path} can be used by every user of this machine: chmod o= {path}")
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals:
            # The line is not shown: it may be the token itself.
            raise ConfigurationError(f"{path}:{number}: not NAME=value")
        found[name.removeprefix("export ").strip()] = value.strip().strip("\"'")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text") from None
