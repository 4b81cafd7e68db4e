"""Telling the team that a deploy began, ended or failed, where a bot is configured."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Sequence

from deploys.apply import Outcome, Status
from deploys.plan import Plan
from deploys.render import summary
from deploys.tools.telegram import Telegram
from notifier import (
    Alert,
    Credentials,
    Fate,
    Message,
    MessageError,
    Notifier,
    OutboxError,
    Plain,
    Server,
    Token,
    TokenRefusedError,
    default_outbox,
)

WAIT = 5.0
"""Seconds that a deploy waits for Telegram; what is queued goes out with the next message from here."""


class Announcer:
    """Tells the team of one deploy; that nobody could be told is said, and stops nothing.

    Args:
        telegram: the bot; without one nobody is told.
        plan: what is carried out.
    """

    def __init__(self, telegram: Telegram, plan: Plan) -> None:
        self._telegram = telegram
        self._plan = plan

    def began(self) -> None:
        """It begins."""
        who = f"{getpass.getuser()} at {socket.gethostname()}"
        self._tell(Plain(f"Fleet {self._plan.fleet}: a deploy began, by {who}.\n{summary(self._plan)}"))

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """It came to its end: what became of it, and the first reason if something failed."""
        counts = {status: sum(outcome.status is status for outcome in outcomes) for status in Status}
        told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        if counts[Status.DONE] == len(outcomes):
            self._tell(Plain(f"Fleet {self._plan.fleet}: the deploy ended, {told}."))
            return
        why = next((outcome.reason for outcome in outcomes if outcome.status is Status.FAILED), "")
        self._tell(
            Alert(
                rule=f"deploy of fleet {self._plan.fleet} failed",
                value=told,
                limit="all done",
                sample=why,
                command="outreach apply",
            )
        )

    def broke(self, why: str) -> None:
        """It ended before anything became of it."""
        self._tell(Plain(f"Fleet {self._plan.fleet}: the deploy failed. {why}"))

    def _tell(self, message: Message) -> None:
        tell(self._telegram, message)


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
    return receipt.fate is not Fate.REFUSED
