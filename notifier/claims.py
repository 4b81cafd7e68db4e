"""Who sends what now: the outbox as its senders see it.

A chat is claimed as a whole, one request at a time, so order within it holds by itself; the limits are kept
in the same transaction, so every sender on the host shares them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass

from notifier.database import Database
from notifier.markup import plain
from notifier.messages import Method
from notifier.outbox import State
from notifier.owner import Owner, is_dead
from notifier.pacing import GROUP, OVERALL, chat_free_at
from notifier.reply import (
    BadMarkup,
    BadPhoto,
    Delivered,
    Migrated,
    Outcome,
    Refused,
    Retry,
    RetryAfter,
    Scope,
)
from notifier.schedule import pause

_IN_FLIGHT = 5.0
"""Seconds for which a dead sender's request may still be on its way to Telegram."""

_STUCK = 10
"""5xx answers after which a message goes to the back of its chat's queue, so that one which Telegram cannot
digest does not hold up all others for a day. Ten take about twenty minutes; shorter outages leave the order
alone."""

_BOT_LIMITED = 3
"""429s in a row after which the whole bot keeps still."""

_STEP_BACK = 2.0
"""Seconds by which the clock must go back to be set right."""


@dataclass(frozen=True)
class Claim:
    """One request to make now."""

    id: int
    chat: str
    method: Method
    text: str
    html: bool
    silent: bool
    file_name: str = ""
    data: bytes | None = None


@dataclass(frozen=True)
class Result:
    """What came of a claim, and when it ended."""

    claim: Claim
    outcome: Outcome
    ended: float


@dataclass(frozen=True)
class Turn:
    """What to send now, and when to ask again at the latest (None: when something new comes)."""

    claims: list[Claim]
    next_at: float | None


class Claims:
    """One sender's hand in the outbox; for one thread.

    Raises:
        OutboxError: from every method, if the file cannot be read or written; nothing is changed then.
    """

    def __init__(
        self, database: Database, owner: Owner, now: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._database = database
        self._owner = owner
        self._now = now
        self._jitter = jitter
        with database.transaction() as connection:
            connection.execute("INSERT INTO owner VALUES (?)", (owner.name,))

    def close(self) -> None:
        """Leave the list of senders."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM owner WHERE name = ?", (self._owner.name,))

    def turn(self, results: Collection[Result], room: int, ids: Collection[int] | None = None) -> Turn:
        """Record what came of earlier claims, and claim up to `room` new ones.

        With `ids`, only what these messages wait for: they and those before them in their chats.
        """
        with self._database.transaction() as connection:
            # Read inside the transaction, so that no sender sees another's later time.
            now = self._now()
            _set_clock_right(connection, now)
            for result in results:
                self._record(connection, result)
            chats = None if ids is None else _chats_of(connection, ids)
            return self._claim(connection, now, room, chats)

    def take_over(self) -> int:
        """Free what dead senders had claimed; how many requests' outcomes are unknown because of it."""
        with self._database.errors():
            names = [row["name"] for row in self._database.connection.execute("SELECT name FROM owner")]
        dead = [name for name in names if name != self._owner.name and is_dead(self._database.path, name)]
        if not dead:
            return 0
        unknown = 0
        with self._database.transaction() as connection:
            for name in dead:
                unknown += _free(connection, name, self._now() + _IN_FLIGHT)
                connection.execute("DELETE FROM owner WHERE name = ?", (name,))
        return unknown

    def _claim(
        self, connection: sqlite3.Connection, now: float, room: int, chats: Collection[str] | None
    ) -> Turn:
        held = connection.execute("SELECT held FROM bot").fetchone()["held"]
        if held > now:
            return Turn([], held)
        busy = connection.execute(
            "SELECT count(*) AS number, min(ended) AS first FROM attempt WHERE ended IS NULL OR ended > ?",
            (now - OVERALL.seconds,),
        ).fetchone()
        free = min(room, OVERALL.limit - busy["number"])
        claims: list[Claim] = []
        for chat in _open_chats(connection, chats, now):
            if len(claims) >= free:
                break
            claim = self._claim_head(connection, chat, now)
            if claim is not None:
                claims.append(claim)
        if free <= 0 or len(claims) >= free:
            return Turn(claims, None if busy["first"] is None else busy["first"] + OVERALL.seconds)
        return Turn(claims, _next_ready(connection, chats))

    def _claim_head(self, connection: sqlite3.Connection, chat: str, now: float) -> Claim | None:
        """The first message of a chat that is still worth sending."""
        while True:
            row = connection.execute(
                "SELECT * FROM message WHERE chat = ? AND state = 'waiting' ORDER BY position, id LIMIT 1",
                (chat,),
            ).fetchone()
            if row is None:
                return None
            if row["deadline"] > now:
                break
            reason = f"not delivered in time; last: {row['reason'] or 'never tried'}"
            _finish(connection, row["id"], State.EXPIRED, now, reason)
        connection.execute("INSERT INTO attempt (chat) VALUES (?)", (chat,))
        connection.execute(
            "UPDATE chat SET owner = ?, message = ? WHERE chat = ?", (self._owner.name, row["id"], chat)
        )
        return _as_claim(connection, row)

    def _record(self, connection: sqlite3.Connection, result: Result) -> None:
        claim, ended = result.claim, result.ended
        connection.execute(
            "UPDATE attempt SET ended = ? WHERE chat = ? AND ended IS NULL", (ended, claim.chat)
        )
        ends = connection.execute(
            "SELECT ended FROM attempt WHERE chat = ? AND ended IS NOT NULL ORDER BY ended DESC LIMIT ?",
            (claim.chat, GROUP.limit),
        )
        ready = chat_free_at(claim.chat, [row["ended"] for row in ends])
        connection.execute(
            "UPDATE chat SET owner = NULL, message = NULL, ready = max(?, held) WHERE chat = ?",
            (ready, claim.chat),
        )
        match result.outcome:
            case Delivered(message_id):
                connection.execute("UPDATE bot SET limited = 0 WHERE limited > 0")
                _finish(connection, claim.id, State.SENT, ended, "")
                connection.execute("UPDATE message SET message_id = ? WHERE id = ?", (message_id, claim.id))
            case RetryAfter(seconds, scope):
                _hold(connection, claim, ended, ended + seconds, scope)
            case Retry() as retry:
                self._put_off(connection, claim, retry, ended)
            case Refused(reason, scope=Scope.BOT):
                connection.execute("UPDATE message SET reason = ? WHERE id = ?", (reason, claim.id))
            case Migrated(chat) if chat != claim.chat:
                _move(connection, claim.chat, chat)
            case BadMarkup(reason) if claim.html:
                connection.execute(
                    "UPDATE message SET text = ?, html = 0, reason = ? WHERE id = ?",
                    (plain(claim.text), reason, claim.id),
                )
            case BadPhoto(reason) if claim.method is Method.PHOTO:
                connection.execute(
                    "UPDATE message SET method = ?, reason = ? WHERE id = ?",
                    (Method.DOCUMENT, reason, claim.id),
                )
            case Refused(reason) | BadMarkup(reason) | BadPhoto(reason):
                _finish(connection, claim.id, State.REFUSED, ended, reason)
            case Migrated(chat):
                _finish(connection, claim.id, State.REFUSED, ended, f"the chat moved to itself ({chat})")

    def _put_off(self, connection: sqlite3.Connection, claim: Claim, retry: Retry, ended: float) -> None:
        [row] = connection.execute(
            "UPDATE message SET failures = failures + 1, server_errors = server_errors + ?,"
            " unknown = unknown + ?, reason = ? WHERE id = ? RETURNING failures, server_errors",
            (retry.answered, retry.unknown, retry.reason, claim.id),
        ).fetchall()
        wait = max(pause(row["failures"], self._jitter()), retry.seconds)
        if row["server_errors"] >= _STUCK:
            connection.execute(
                "UPDATE message SET server_errors = 0, position = (SELECT max(id) FROM message) + 0.5"
                " WHERE id = ?",
                (claim.id,),
            )
        connection.execute("UPDATE chat SET ready = max(ready, ?) WHERE chat = ?", (ended + wait, claim.chat))


def _chats_of(connection: sqlite3.Connection, ids: Collection[int]) -> set[str]:
    marks = ",".join("?" * len(ids))
    rows = connection.execute(f"SELECT chat FROM message WHERE id IN ({marks})", tuple(ids))  # noqa: S608 - marks
    return {row["chat"] for row in rows}


def _open_chats(connection: sqlite3.Connection, chats: Collection[str] | None, now: float) -> list[str]:
    """Chats that something waits for and that may be sent to now, the longest ready first."""
    rows = connection.execute(
        "SELECT chat FROM chat WHERE owner IS NULL AND ready <= ? AND EXISTS"
        " (SELECT 1 FROM message WHERE message.chat = chat.chat AND state = 'waiting')"
        " ORDER BY ready LIMIT ?",
        (now, OVERALL.limit if chats is None else -1),
    )
    return [row["chat"] for row in rows if chats is None or row["chat"] in chats]


def _next_ready(connection: sqlite3.Connection, chats: Collection[str] | None) -> float | None:
    rows = connection.execute(
        "SELECT chat, ready FROM chat WHERE owner IS NULL AND EXISTS"
        " (SELECT 1 FROM message WHERE message.chat = chat.chat AND state = 'waiting') ORDER BY ready"
    )
    return next((float(row["ready"]) for row in rows if chats is None or row["chat"] in chats), None)


def _as_claim(connection: sqlite3.Connection, row: sqlite3.Row) -> Claim:
    name, data = "", None
    if row["attachment"] is not None:
        file = connection.execute("SELECT * FROM attachment WHERE id = ?", (row["attachment"],)).fetchone()
        name, data = file["name"], file["data"]
    method = Method(row["method"])
    return Claim(
        row["id"], row["chat"], method, row["text"], bool(row["html"]), bool(row["silent"]), name, data
    )


def _finish(
    connection: sqlite3.Connection,
    key: int,
    state: State,
    at: float,
    reason: str,
) -> None:
    connection.execute(
        "UPDATE message SET state = ?, finished = ?, reason = ? WHERE id = ?", (state, at, reason, key)
    )
    if state is State.SENT:
        # What the team has is not kept here too.
        connection.execute(
            "DELETE FROM attachment WHERE id = (SELECT attachment FROM message WHERE id = ?)", (key,)
        )
        connection.execute("UPDATE message SET text = '', attachment = NULL WHERE id = ?", (key,))


def _hold(connection: sqlite3.Connection, claim: Claim, ended: float, until: float, scope: Scope) -> None:
    """Keep still for as long as a 429 asks: the chat, or the whole bot.

    Telegram does not say whom a 429 is for. It is taken for the chat's, until a third one comes without a
    delivery between them: chats that are told so one after the other are told so because of the bot.
    """
    reason = f"429: Telegram asks to wait {until - ended:.0f} s"
    connection.execute("UPDATE message SET reason = ? WHERE id = ?", (reason, claim.id))
    connection.execute(
        "UPDATE chat SET held = max(held, ?), ready = max(ready, ?) WHERE chat = ?",
        (until, until, claim.chat),
    )
    [row] = connection.execute("UPDATE bot SET limited = limited + 1 RETURNING limited").fetchall()
    if row["limited"] >= _BOT_LIMITED or scope is Scope.BOT:
        connection.execute("UPDATE bot SET held = max(held, ?)", (until,))


def _move(connection: sqlite3.Connection, old: str, new: str) -> None:
    """A group became a supergroup: what waits for the one goes to the other, now and later."""
    connection.execute("INSERT OR IGNORE INTO chat (chat, ready) VALUES (?, 0)", (new,))
    connection.execute("UPDATE chat SET moved_to = ? WHERE chat = ?", (new, old))
    connection.execute("UPDATE chat SET moved_to = NULL WHERE chat = ?", (new,))
    connection.execute("UPDATE message SET chat = ? WHERE chat = ? AND state = 'waiting'", (new, old))


def _free(connection: sqlite3.Connection, owner: str, ended: float) -> int:
    """Take back what a dead sender had claimed; its requests may have been delivered or not."""
    rows = connection.execute("SELECT chat, message FROM chat WHERE owner = ?", (owner,)).fetchall()
    for row in rows:
        connection.execute(
            "UPDATE message SET unknown = unknown + 1, orphaned = orphaned + 1, reason = 'its sender died'"
            " WHERE id = ?",
            (row["message"],),
        )
        connection.execute(
            "UPDATE attempt SET ended = ? WHERE chat = ? AND ended IS NULL", (ended, row["chat"])
        )
        connection.execute(
            "UPDATE chat SET owner = NULL, message = NULL, ready = max(ready, ?) WHERE chat = ?",
            (chat_free_at(row["chat"], [ended]), row["chat"]),
        )
    return len(rows)


def _set_clock_right(connection: sqlite3.Connection, now: float) -> None:
    """Where the wall clock went back (a node's first contact with NTP), let every kept time follow it."""
    seen = connection.execute("SELECT seen FROM bot").fetchone()["seen"]
    ahead = seen - now
    if ahead > _STEP_BACK:
        for table, columns in _TIMES.items():
            changes = ", ".join(f"{column} = {column} - :ahead" for column in columns)
            connection.execute(f"UPDATE {table} SET {changes}", {"ahead": ahead})  # noqa: S608 - our own names
    if abs(ahead) > 1:
        connection.execute("UPDATE bot SET seen = ?", (now,))


_TIMES = {
    "message": ("created", "deadline", "finished"),
    "chat": ("ready", "held"),
    "attempt": ("ended",),
    "repeats": ("since", "until"),
    "bot": ("held",),
}
