"""What is to be sent, kept until it is: put in, counted, looked at, cleaned."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from notifier.database import Database
from notifier.pacing import MEMORY
from notifier.render import Letter, Rendered, compose
from notifier.repeats import Repeats, opened, tally

_DAY = 24 * 3600.0
_KEEP_SENT = 7 * _DAY
_KEEP_UNSENT = 30 * _DAY

_MOVES = 8
"""How often a chat may have moved before its trail is given up."""


class State(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Envelope:
    """What goes around a message.

    Args:
        chat: where to.
        event: the short name by which people tell it from its like.
        lifetime: seconds for which it is worth sending.
        silent: whether it arrives without a sound.
    """

    chat: str
    event: str
    lifetime: float
    silent: bool = False


@dataclass(frozen=True)
class Key:
    """What makes an alert the same as another.

    Args:
        name: the same for the same.
        seconds: for how long repeats are counted instead of sent.
        html: the text that the tally is put under.
    """

    name: str
    seconds: float
    html: str


@dataclass(frozen=True)
class Entry:
    """One request in the outbox, without its text."""

    id: int
    chat: str
    event: str
    state: State
    failures: int
    reason: str


@dataclass(frozen=True)
class Status:
    """The outbox at a glance; times in seconds.

    Args:
        waiting, sent, refused, expired: requests by state; the sent ones of the last week.
        oldest_seconds: how long the oldest waiting one has waited; 0 without one.
        held_seconds: how long Telegram still forbids all sending.
        unknown: attempts whose outcome never became known; each may have delivered a message twice.
        orphaned: those among them whose sender died.
        senders: processes that send.
        unsent: the latest refused or expired ones.
    """

    waiting: int = 0
    sent: int = 0
    refused: int = 0
    expired: int = 0
    oldest_seconds: float = 0.0
    held_seconds: float = 0.0
    unknown: int = 0
    orphaned: int = 0
    senders: int = 0
    unsent: tuple[Entry, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Outbox:
    """The queue as its users see it; one object a thread.

    Raises:
        OutboxError: from every method, if the file cannot be read or written.
    """

    def __init__(self, path: Path, *, durable: bool = True, patience: float = 10.0) -> None:
        self.database = Database(path, durable=durable, patience=patience)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def put(
        self, envelope: Envelope, letter: Letter, now: float, key: Key | None = None
    ) -> list[int] | Repeats:
        """Keep a message, whole or not at all, behind what its chat already waits for.

        Returns:
            The identifiers of its parts; or, if it repeats one whose window is open, the window that counts
            it.
        """
        with self.database.transaction() as connection:
            if key is not None:
                _close_windows(connection, now)
                repeats = _count(connection, key, envelope)
                if repeats is not None:
                    return repeats
                _open_window(connection, key, envelope, opened(now, key.seconds))
            return _insert(connection, envelope, letter, now)

    def close_windows(self, now: float) -> None:
        """Queue the tally of every window that is over and had repeats."""
        with self.database.errors():
            due = self._value("SELECT count(*) FROM repeats WHERE until <= ?", now)
        if due:
            with self.database.transaction() as connection:
                _close_windows(connection, now)

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """The state of some requests."""
        marks = ",".join("?" * len(ids))
        return self._entries(f"SELECT * FROM message WHERE id IN ({marks}) ORDER BY id", *ids)  # noqa: S608 - marks

    def waiting(self) -> int:
        """How many requests wait or are under way."""
        return int(self._value("SELECT count(*) FROM message WHERE state = 'waiting'"))

    def status(self, now: float) -> Status:
        """Everything at a glance."""
        with self.database.errors():
            counts = dict(
                self.database.connection.execute(
                    "SELECT state, count(*) FROM message GROUP BY state"
                ).fetchall()
            )
        oldest = self._value("SELECT min(created) FROM message WHERE state = 'waiting'")
        return Status(
            **{state.value: counts.get(state.value, 0) for state in State},
            oldest_seconds=max(0.0, now - oldest) if oldest is not None else 0.0,
            held_seconds=max(0.0, self._value("SELECT held FROM bot") - now),
            unknown=self._value("SELECT coalesce(sum(unknown), 0) FROM message"),
            orphaned=self._value("SELECT coalesce(sum(orphaned), 0) FROM message"),
            senders=self._value("SELECT count(*) FROM owner"),
            unsent=tuple(
                self._entries(
                    "SELECT * FROM message WHERE state IN ('refused', 'expired') "
                    " ORDER BY finished DESC LIMIT 20"
                )
            ),
        )

    def again(self, now: float, lifetime: float) -> int:
        """Put what was refused or expired back into its queue; how many requests these are."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                "UPDATE message SET state = 'waiting', failures = 0, server_errors = 0, finished = NULL,"
                " deadline = ? WHERE state IN ('refused', 'expired') RETURNING chat",
                (now + lifetime,),
            ).fetchall()
            for chat in {row["chat"] for row in rows}:
                _know_chat(connection, chat)
        return len(rows)

    def tidy(self, now: float) -> None:
        """Forget what is of no more use: sent texts after a week, unsent ones after thirty days."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM attempt WHERE ended < ?", (now - MEMORY,))
            connection.execute(
                "DELETE FROM message WHERE state <> 'waiting'"
                " AND finished < CASE state WHEN 'sent' THEN ? ELSE ? END",
                (now - _KEEP_SENT, now - _KEEP_UNSENT),
            )
            connection.execute(
                "DELETE FROM attachment WHERE id NOT IN (SELECT attachment FROM message"
                " WHERE attachment IS NOT NULL AND state <> 'sent')"
            )

    def _entries(self, query: str, *arguments: object) -> list[Entry]:
        with self.database.errors():
            return [_entry(row) for row in self.database.connection.execute(query, arguments)]

    def _value(self, query: str, *arguments: object) -> Any:
        with self.database.errors():
            return self.database.connection.execute(query, arguments).fetchone()[0]


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(row["id"], row["chat"], row["event"], State(row["state"]), row["failures"], row["reason"])


def _insert(connection: sqlite3.Connection, envelope: Envelope, letter: Letter, now: float) -> list[int]:
    chat = _current(connection, envelope.chat)
    _know_chat(connection, chat)
    ids = []
    for part in letter.parts:
        attachment = None
        if part.attachment is not None:
            attachment = connection.execute(
                "INSERT INTO attachment (name, data) VALUES (?, ?)",
                (part.attachment.name, part.attachment.data),
            ).lastrowid
        row = connection.execute(
            "INSERT INTO message (position, chat, event, method, text, html, silent, attachment, created,"
            " deadline, state) VALUES ((SELECT coalesce(max(id), 0) + 1 FROM message), ?, ?, ?, ?, 1, ?, ?,"
            " ?, ?, 'waiting') RETURNING id",
            (
                chat,
                envelope.event,
                part.method,
                part.html,
                envelope.silent,
                attachment,
                now,
                now + envelope.lifetime,
            ),
        ).fetchone()
        ids.append(int(row["id"]))
    return ids


def _current(connection: sqlite3.Connection, chat: str) -> str:
    """Where a chat is now, if it has become another one."""
    for _move in range(_MOVES):
        row = connection.execute("SELECT moved_to FROM chat WHERE chat = ?", (chat,)).fetchone()
        if row is None or row["moved_to"] is None:
            break
        chat = row["moved_to"]
    return chat


def _know_chat(connection: sqlite3.Connection, chat: str) -> None:
    connection.execute("INSERT OR IGNORE INTO chat (chat, ready) VALUES (?, 0)", (chat,))


def _count(connection: sqlite3.Connection, key: Key, envelope: Envelope) -> Repeats | None:
    row = connection.execute(
        "UPDATE repeats SET count = count + 1, html = ?, event = ? WHERE key = ? AND chat = ? RETURNING *",
        (key.html, envelope.event, key.name, envelope.chat),
    ).fetchone()
    return None if row is None else _repeats(row)


def _open_window(connection: sqlite3.Connection, key: Key, envelope: Envelope, window: Repeats) -> None:
    connection.execute(
        "INSERT INTO repeats (key, chat, since, until, count, told, event, html, silent, lifetime)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(key.name, envelope.chat, window.since, window.until, window.count, window.told),
            *(envelope.event, key.html, envelope.silent, envelope.lifetime),
        ),
    )


def _close_windows(connection: sqlite3.Connection, now: float) -> None:
    for row in connection.execute("DELETE FROM repeats WHERE until <= ? RETURNING *", (now,)).fetchall():
        window = _repeats(row)
        following = window.next_window(now)
        if following is None:
            continue
        envelope = Envelope(row["chat"], row["event"], row["lifetime"], bool(row["silent"]))
        html = f"{row['html']}\n<i>{tally(window.count, window.since, now)}</i>"
        _insert(connection, envelope, compose(Rendered(html)), now)
        key = Key(row["key"], window.until - window.since, row["html"])
        _open_window(connection, key, envelope, following)


def _repeats(row: sqlite3.Row) -> Repeats:
    return Repeats(row["since"], row["until"], row["count"], row["told"])
