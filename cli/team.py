"""Telling the team from the operator's machine, where a bot is configured."""

from __future__ import annotations

import sys

from deploys.telegram import Telegram
from notifier import (
    Credentials,
    Fate,
    Message,
    MessageError,
    Notifier,
    OutboxError,
    Server,
    Token,
    TokenRefusedError,
    default_outbox,
)

WAIT = 5.0
"""Seconds that a command waits for Telegram; what is queued goes out with the next message from here."""


def tell(telegram: Telegram, message: Message, dedupe_key: str = "") -> bool:
    """Tell the team; that nobody could be told is said, and stops nothing.

    Args:
        telegram: the bot; without one nobody is told.
        message: what to say.
        dedupe_key: what makes it the same message; a repeat within the notifier's window is counted instead.

    Returns:
        Whether it is delivered, or safe in the queue.
    """
    if not telegram:
        return False
    credentials = Credentials(Token(telegram.token), telegram.chat)
    server = Server(telegram.base_url) if telegram.base_url else Server()
    try:
        notifier = Notifier(credentials, default_outbox(), server=server)
        receipt = notifier.send(message, wait=WAIT, dedupe_key=dedupe_key)
    except (MessageError, OutboxError, TokenRefusedError) as error:
        sys.stderr.write(f"outreach: the team could not be told: {error}\n")
        return False
    if receipt.fate is not Fate.SENT:
        why = f": {receipt.reason}" if receipt.reason else ""
        sys.stderr.write(f"outreach: the team is not told yet ({receipt.fate}){why}\n")
    return receipt.told
