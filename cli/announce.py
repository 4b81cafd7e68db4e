"""Telling the team that a deploy began, ended or failed, where a bot is configured."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence

from cli.team import tell
from deploys.apply import Outcome, Status
from deploys.plan import Plan
from deploys.render import summary
from deploys.telegram import Telegram
from notifier import Alert, Message, Plain


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
