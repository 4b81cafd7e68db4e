"""Who sends what now: the outbox as its senders see it.

A chat is claimed as a whole, one request at a time, so order within it holds by itself; the limits are kept
in the same transaction, so every sender on the host shares them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass

from notifier.attempt import Claim, Result
from notifier.database import Database
from notifier.messages import Method
from notifier.outbox import State
from notifier.owner import Owner, is_dead
from notifier.pacing import OVERALL, chat_free_at
from notifier.record import finish, record

_IN_FLIGHT = 5.0
"""Seconds for which a dead sender's request may still be on its way to Telegram."""

_STEP_BACK = 2.0
"""Seconds by which the clock must go back to be set right."""


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
                record(connection, result, self._jitter())
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
            finish(connection, row["id"], State.EXPIRED, now, reason)
        connection.execute("INSERT INTO attempt (chat) VALUES (?)", (chat,))
        connection.execute(
            "UPDATE chat SET owner = ?, message = ? WHERE chat = ?", (self._owner.name, row["id"], chat)
        )
        return _as_claim(connection, row)


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
