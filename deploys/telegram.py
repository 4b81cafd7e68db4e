"""The bot the team listens to, out of the operator's environment: for the hosts and for `outreach apply`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from notifier import ConfigurationError, Token
from notifier.credentials import CHAT, TOKEN, checked_chat

BASE_URL = "TELEGRAM_BASE_URL"


@dataclass(frozen=True)
class Telegram:
    """A bot and its chat; all empty where none is configured.

    Args:
        token: the bot's.
        chat: the team's.
        base_url: a local Bot API server; empty for Telegram's.
    """

    token: str = field(default="", repr=False)
    chat: str = ""
    base_url: str = ""

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.token)


def telegram(environ: Mapping[str, str] | None = None) -> Telegram:
    """Read it.

    Raises:
        ConfigurationError: half of it is set, or a part has the wrong form. The token is never shown.
    """
    environ = os.environ if environ is None else environ
    token, chat, base_url = (environ.get(name, "").strip() for name in (TOKEN, CHAT, BASE_URL))
    if not token and not chat:
        return Telegram()
    if not token or not chat:
        missing, given = (TOKEN, CHAT) if chat else (CHAT, TOKEN)
        raise ConfigurationError(f"{given} is set and {missing} is not: set both, or neither")
    if any(char.isspace() or char in "\"'\\%" for char in base_url):
        raise ConfigurationError(f"{BASE_URL} is {base_url!r}, which is no URL")
    return Telegram(Token(token).reveal(), checked_chat(chat), base_url)
