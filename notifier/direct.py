"""Sending without an outbox, for the moment when it cannot be written: a full disk is worth an alert too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from notifier.attempt import Claim
from notifier.bot import Bot
from notifier.clock import Clock
from notifier.markup import plain
from notifier.messages import Method
from notifier.outbox import Envelope
from notifier.pacing import CHAT
from notifier.render import Letter, Part
from notifier.reply import BadMarkup, BadPhoto, Delivered, Migrated, Outcome, Refused, Retry, RetryAfter
from notifier.schedule import FOREGROUND, pause


class NotSentError(Exception):
    """Some part did not arrive; one line that says why."""


class Direct:
    """Sends one message at once, with a caller's patience.

    Its requests are not counted among the limits that senders share through the outbox; a 429 is obeyed.
    """

    def __init__(self, bot: Bot, clock: Clock, jitter: Callable[[], float]) -> None:
        self._bot = bot
        self._clock = clock
        self._jitter = jitter

    def send(self, envelope: Envelope, letter: Letter, seconds: float) -> None:
        """Send every part, in order.

        Raises:
            NotSentError: a part is refused, or `seconds` are over.
        """
        until = self._clock.now() + seconds
        chat = envelope.chat
        for index, part in enumerate(letter.parts):
            if index:
                self._sleep(CHAT.seconds, until)
            chat = self._send_part(_claim(chat, part, envelope.silent), until)

    def _send_part(self, claim: Claim, until: float) -> str:
        """Send one part; the chat it went to."""
        failures = 0
        while True:
            outcome = self._bot.send(claim)
            match outcome:
                case Delivered():
                    return claim.chat
                case RetryAfter(seconds):
                    self._sleep(seconds, until, outcome)
                case Retry(reason) if failures < FOREGROUND:
                    failures += 1
                    self._sleep(max(pause(failures, self._jitter()), outcome.seconds), until, outcome)
                case Migrated(chat) if chat != claim.chat:
                    claim = replace(claim, chat=chat)
                case BadMarkup() if claim.html:
                    claim = replace(claim, text=plain(claim.text), html=False)
                case BadPhoto() if claim.method is Method.PHOTO:
                    claim = replace(claim, method=Method.DOCUMENT)
                case Retry(reason) | Refused(reason) | BadMarkup(reason) | BadPhoto(reason):
                    raise NotSentError(reason)
                case Migrated(chat):
                    raise NotSentError(f"the chat moved to itself ({chat})")

    def _sleep(self, seconds: float, until: float, outcome: Outcome | None = None) -> None:
        if self._clock.now() + seconds > until:
            reason = (
                outcome.reason if isinstance(outcome, Retry) else f"Telegram asks to wait {seconds:.0f} s"
            )
            raise NotSentError(reason)
        time.sleep(self._clock.real(seconds))


def _claim(chat: str, part: Part, silent: bool) -> Claim:
    file = part.attachment
    name, data = ("", None) if file is None else (file.name, file.data)
    return Claim(0, chat, part.method, part.html, html=True, silent=silent, file_name=name, data=data)
