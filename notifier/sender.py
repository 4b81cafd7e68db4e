"""The loop that sends: one thread holds the outbox, others wait for Telegram's answers."""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections.abc import Callable, Collection
from types import TracebackType

from notifier.attempt import Claim, Result
from notifier.bot import Bot
from notifier.claims import Claims, Turn
from notifier.clock import Clock
from notifier.database import OutboxError
from notifier.outbox import Outbox
from notifier.owner import Owner
from notifier.reply import BadMarkup, BadPhoto, Delivered, Migrated, Refused, Retry, RetryAfter, Scope

log = logging.getLogger(__name__)

WORKERS = 8
"""Requests under way at once; with answers within a quarter of a second these reach Telegram's 30 a
second."""

_LOOK = 0.25
"""Seconds after which the queue is looked at again for what other processes put in."""

_SHORTEST = 0.005
_OUTBOX_PAUSE = 1.0
_HOUSEKEEPING = 10.0


class TokenRefusedError(Exception):
    """Telegram refuses the bot itself: nothing can be sent, everything stays queued."""


class Sender:
    """Sends from one outbox; use as a context manager.

    Args:
        outbox: the queue, used by this thread alone from now on.
        bot: what makes the requests.
        clock: the time.
        workers: requests under way at once.

    Raises:
        OutboxError: the outbox cannot be used.
    """

    def __init__(self, outbox: Outbox, bot: Bot, clock: Clock, workers: int = WORKERS) -> None:
        self._outbox = outbox
        self._bot = bot
        self._clock = clock
        self._stopping = threading.Event()
        self._results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._under_way = 0
        self._owner = Owner(outbox.database.path)
        self._claims = Claims(outbox.database, self._owner, clock.now, random.random)
        # Daemons: a worker that still waits for an answer does not keep a process alive that must end.
        self._workers = [threading.Thread(target=self._deliver, daemon=True) for _ in range(workers)]
        self._kept_house = float("-inf")

    def __enter__(self) -> Sender:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _worker in self._workers:
            self._work.put(None)
        try:
            # With requests under way (only after an interruption) it stays in the list, to be found dead.
            if self._under_way == 0:
                self._claims.close()
        except OutboxError as failure:
            log.warning("%s; the next sender takes over from this one", failure)
        self._owner.close()

    def stop(self) -> None:
        """Claim nothing more and return from :meth:`run` once the answers under way are recorded.

        May be called from a signal handler or another thread.
        """
        self._stopping.set()
        self._results.put(None)

    def run(
        self,
        done: Callable[[], bool] = lambda: False,
        until: float = float("inf"),
        ids: Collection[int] | None = None,
    ) -> None:
        """Send until `done()`, asked after each step, until a time, or until :meth:`stop`.

        What is under way then is waited for and recorded.

        Args:
            done: whether the caller has what it wants.
            until: seconds since the epoch; ends before, if nothing can be sent by then.
            ids: send only what these messages wait for; else everything.

        Raises:
            TokenRefusedError: Telegram refuses the bot.
            OutboxError: the outbox cannot be written now that this is to end. As long as it is not, a full
                disk is waited for.
        """
        refused: Refused | None = None
        results: list[Result] = []
        idle_until = float("-inf")
        while True:
            closing = self._stopping.is_set() or refused is not None
            closing = closing or max(self._clock.now(), idle_until) >= until or self._settled(done, results)
            if closing and self._under_way == 0 and not results:
                break
            try:
                turn = self._step(results, closing, ids)
            except OutboxError as error:
                if closing and self._under_way == 0:
                    raise
                log.warning("%s; trying again", error)
                results += self._collect(_OUTBOX_PAUSE)
                continue
            idle = self._under_way == 0 and turn.next_at is not None
            idle_until = turn.next_at if idle and turn.next_at is not None else float("-inf")
            # What was just recorded may be all that was asked for: ask before waiting for more.
            results = self._collect(0 if results else self._wait(turn))
            refused = refused or _refusal(results)
        if refused is not None:
            raise TokenRefusedError(f"Telegram refuses the bot: {refused.reason}")

    def _settled(self, done: Callable[[], bool], results: Collection[Result]) -> bool:
        if results:
            return False
        try:
            return done()
        except OutboxError:
            # The next step meets the same trouble and says so.
            return False

    def _step(self, results: Collection[Result], closing: bool, ids: Collection[int] | None) -> Turn:
        now = self._clock.now()
        if now - self._kept_house >= _HOUSEKEEPING:
            self._claims.take_over()
            self._outbox.close_windows(now)
            self._outbox.tidy(now)
            self._kept_house = now
        turn = self._claims.turn(results, 0 if closing else len(self._workers) - self._under_way, ids)
        for result in results:
            _tell(result)
        for claim in turn.claims:
            self._under_way += 1
            self._work.put(claim)
        return turn

    def _wait(self, turn: Turn) -> float:
        """Seconds on this machine until the next step, unless an answer comes first."""
        if turn.next_at is None or self._under_way == len(self._workers):
            return _LOOK
        return min(_LOOK, max(_SHORTEST, self._clock.real(turn.next_at - self._clock.now())))

    def _collect(self, seconds: float) -> list[Result]:
        """The answers that came, after waiting at most `seconds` for the first."""
        found: list[Result] = []
        try:
            first = self._results.get(timeout=seconds)
            while True:
                if first is not None:
                    found.append(first)
                first = self._results.get_nowait()
        except queue.Empty:
            self._under_way -= len(found)
            return found

    def _deliver(self) -> None:
        while (claim := self._work.get()) is not None:
            outcome = self._bot.send(claim)
            self._results.put(Result(claim, outcome, self._clock.now()))


def _refusal(results: Collection[Result]) -> Refused | None:
    outcomes = (result.outcome for result in results)
    return next((one for one in outcomes if isinstance(one, Refused) and one.scope is Scope.BOT), None)


def _tell(result: Result) -> None:
    outcome, claim = result.outcome, result.claim
    match outcome:
        case Delivered():
            log.info("message %d: sent", claim.id)
        case RetryAfter(seconds):
            log.info("message %d: Telegram asks to wait %.0f s", claim.id, seconds)
        case Migrated(chat):
            log.error("message %d: its chat is now %s; change TELEGRAM_CHAT_ID", claim.id, chat)
        case Retry(reason):
            log.info("message %d: %s; will be tried again", claim.id, reason)
        case BadMarkup(reason):
            log.warning("message %d: %s; sent as plain text", claim.id, reason)
        case BadPhoto(reason):
            log.warning("message %d: %s; sent as a file", claim.id, reason)
        case Refused(reason):
            log.warning("message %d: refused: %s", claim.id, reason)
