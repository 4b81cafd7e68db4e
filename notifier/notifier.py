"""The library's front: say something to the team, and learn what became of it."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from notifier.bot import Bot, Server
from notifier.clock import Clock
from notifier.credentials import Credentials
from notifier.database import OutboxError
from notifier.direct import Direct, NotSentError
from notifier.messages import Attachment, Message
from notifier.outbox import Entry, Envelope, Key, Outbox, State, Status
from notifier.render import Letter, Templates, compose
from notifier.repeats import WINDOW, Repeats, tally
from notifier.schedule import DEADLINE, FOREGROUND
from notifier.sender import WORKERS, Sender

WAIT = 30.0
"""Seconds a caller waits for the delivery: a first attempt, and three more after 2, 4 and 8 seconds."""


class Fate(StrEnum):
    """What became of a message by the time its sender gets an answer."""

    SENT = "sent"
    """Telegram has it."""
    QUEUED = "queued"
    """It is kept and will be sent until its deadline."""
    COUNTED = "counted"
    """It repeats one that was told; its count will be told when the window closes."""
    REFUSED = "refused"
    """Telegram will not take it, or its deadline is over."""


@dataclass(frozen=True)
class Receipt:
    """The answer to a sender.

    Args:
        fate: what became of the message.
        event: the short name that the message bears.
        reason: why it is not sent, in one line.
        remark: what could not be done as asked, in one line.
    """

    fate: Fate
    event: str
    reason: str = ""
    remark: str = ""

    @property
    def told(self) -> bool:
        """Whether it need not be said again: Telegram has it, or the queue, which sees to the rest."""
        return self.fate is not Fate.REFUSED

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Notifier:
    """Sends through one outbox as one bot. Safe to use from several threads and processes at once.

    Args:
        credentials: the bot and the team's chat.
        outbox: the queue's file; every notifier of a host shares one, and with it Telegram's limits.
        server: where the Bot API is.
        clock: the time.
        templates: how the kinds of message look.
    """

    def __init__(
        self,
        credentials: Credentials,
        outbox: Path,
        *,
        server: Server | None = None,
        clock: Clock | None = None,
        templates: Templates | None = None,
    ) -> None:
        self._credentials = credentials
        self._path = outbox
        self._clock = clock or Clock()
        self._bot = Bot(credentials.token, server or Server(), self._clock)
        self._templates = templates or Templates()
        self._senders: set[Sender] = set()
        self._stopped = False

    def send(
        self,
        message: Message,
        attachments: Sequence[Attachment] = (),
        *,
        chat: str = "",
        wait: float = WAIT,
        lifetime: float = DEADLINE,
        silent: bool = False,
        dedupe_key: str = "",
        window: float = WINDOW,
    ) -> Receipt:
        """Say something; returns once it is delivered or safely queued.

        Args:
            message: what to say.
            attachments: files to send along, in order.
            chat: where to, if not to the team.
            wait: seconds to wait for the delivery; 0 only queues.
            lifetime: seconds for which it is worth sending.
            silent: deliver without a sound.
            dedupe_key: what is the same alert; repeats within `window` seconds are counted instead of sent.
            window: see `dedupe_key`.

        Raises:
            MessageError: the message cannot be sent as it is; nothing was queued.
            OutboxError: it could neither be queued nor be sent without a queue.
            TokenRefusedError: Telegram refuses the bot; the message stays queued.
        """
        now = self._clock.now()
        event = secrets.token_hex(3)
        rendered = self._templates.render(message, event, now)
        letter = compose(rendered, attachments)
        envelope = Envelope(chat or self._credentials.chat, event, lifetime, silent)
        key = Key(dedupe_key, window, rendered.html) if dedupe_key else None
        try:
            with closing(Outbox(self._path)) as outbox:
                kept = outbox.put(envelope, letter, now, key)
        except OutboxError as error:
            return self._send_directly(envelope, letter, wait, error)
        if isinstance(kept, Repeats):
            return Receipt(Fate.COUNTED, event, tally(kept.count, kept.since, now))
        return self._attend(kept, Receipt(Fate.QUEUED, event, remark=letter.remark), wait)

    def flush(self, wait: float, *, again: bool = False) -> int:
        """Send what is queued, for `wait` seconds at most; how many requests are left.

        Args:
            wait: seconds.
            again: also try once more what was refused or expired.

        Raises:
            OutboxError: the outbox cannot be used.
            TokenRefusedError: Telegram refuses the bot.
        """
        if again:
            with closing(Outbox(self._path)) as outbox:
                outbox.again(self._clock.now(), DEADLINE)
        with self._sending(WORKERS) as (outbox, sender):
            sender.run(lambda: outbox.waiting() == 0, self._clock.now() + wait)
            return outbox.waiting()

    def serve(self, workers: int = WORKERS) -> None:
        """Send what is queued, now and whenever something comes, until :meth:`stop`.

        Raises:
            OutboxError: the outbox cannot be used.
            TokenRefusedError: Telegram refuses the bot.
        """
        with self._sending(workers) as (_outbox, sender):
            sender.run()

    def stop(self) -> None:
        """Let :meth:`serve`, and any call that waits, end once what is under way is recorded."""
        self._stopped = True
        for sender in list(self._senders):
            sender.stop()

    def status(self) -> Status:
        """The outbox at a glance.

        Raises:
            OutboxError: the outbox cannot be used.
        """
        return status(self._path, self._clock)

    def _attend(self, ids: Sequence[int], receipt: Receipt, wait: float) -> Receipt:
        """Send what was just queued, and what its chat waits for before it."""
        if wait <= 0:
            return receipt
        try:
            with self._sending(1) as (outbox, sender):
                sender.run(lambda: _settled(outbox.entries(ids)), self._clock.now() + wait, ids)
                return _verdict(outbox.entries(ids), receipt)
        except OutboxError as error:
            return replace(receipt, reason=str(error))

    @contextmanager
    def _sending(self, workers: int) -> Iterator[tuple[Outbox, Sender]]:
        with (
            closing(Outbox(self._path, durable=False)) as outbox,
            Sender(outbox, self._bot, self._clock, workers) as sender,
        ):
            self._senders.add(sender)
            if self._stopped:
                sender.stop()
            try:
                yield outbox, sender
            finally:
                self._senders.discard(sender)

    def _send_directly(self, envelope: Envelope, letter: Letter, wait: float, error: OutboxError) -> Receipt:
        try:
            Direct(self._bot, self._clock, random.random).send(envelope, letter, wait)
        except NotSentError as failure:
            raise OutboxError(f"{error}; not sent without it either: {failure}") from None
        remark = "; ".join(filter(None, (f"{error}; sent without it", letter.remark)))
        return Receipt(Fate.SENT, envelope.event, remark=remark)


def status(outbox: Path, clock: Clock) -> Status:
    """An outbox at a glance, for which no credentials are needed; one that was never used is not made.

    Raises:
        OutboxError: it cannot be used.
    """
    if not outbox.exists():
        return Status()
    with closing(Outbox(outbox, durable=False)) as opened:
        return opened.status(clock.now())


def default_outbox(environ: Mapping[str, str] = os.environ) -> Path:
    """The queue's file: `$NOTIFIER_OUTBOX`, or in systemd's `$STATE_DIRECTORY`, or in the user's state."""
    if environ.get("NOTIFIER_OUTBOX"):
        return Path(environ["NOTIFIER_OUTBOX"])
    if environ.get("STATE_DIRECTORY"):
        # Several are separated by colons (systemd.exec(5), StateDirectory=).
        return Path(environ["STATE_DIRECTORY"].partition(":")[0]) / "outbox.sqlite3"
    home = environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(home) / "outreach/outbox.sqlite3"


def _settled(entries: Sequence[Entry]) -> bool:
    """Whether a caller need not wait longer: all done, or one failed as often as a caller waits for."""
    waiting = [entry for entry in entries if entry.state is State.WAITING]
    return not waiting or any(entry.failures > FOREGROUND for entry in waiting)


def _verdict(entries: Sequence[Entry], receipt: Receipt) -> Receipt:
    unsent = [entry for entry in entries if entry.state in (State.REFUSED, State.EXPIRED)]
    if unsent:
        return replace(receipt, fate=Fate.REFUSED, reason=unsent[0].reason)
    waiting = [entry for entry in entries if entry.state is State.WAITING]
    if waiting:
        return replace(receipt, reason=waiting[0].reason)
    return replace(receipt, fate=Fate.SENT)
