"""What the result of an attempt does to the outbox; within the transaction of its caller."""

from __future__ import annotations

import sqlite3

from notifier.attempt import Claim, Result
from notifier.markup import plain
from notifier.messages import Method
from notifier.outbox import State
from notifier.pacing import GROUP, chat_free_at
from notifier.reply import BadMarkup, BadPhoto, Delivered, Migrated, Refused, Retry, RetryAfter, Scope
from notifier.schedule import pause

_STUCK = 10
"""5xx answers after which a message goes to the back of its chat's queue, so that one which Telegram cannot
digest does not hold up all others for a day. Ten take about twenty minutes; shorter outages leave the order
alone."""

_BOT_LIMITED = 3
"""429s in a row after which the whole bot keeps still."""


def record(connection: sqlite3.Connection, result: Result, jitter: float) -> None:
    """Let a result take effect: on its message, its chat and the bot."""
    claim, ended = result.claim, result.ended
    connection.execute("UPDATE attempt SET ended = ? WHERE chat = ? AND ended IS NULL", (ended, claim.chat))
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
            finish(connection, claim.id, State.SENT, ended, "")
            connection.execute("UPDATE message SET message_id = ? WHERE id = ?", (message_id, claim.id))
        case RetryAfter(seconds):
            _hold(connection, claim, ended, ended + seconds)
        case Retry() as retry:
            _put_off(connection, claim, retry, ended, jitter)
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
            finish(connection, claim.id, State.REFUSED, ended, reason)
        case Migrated(chat):
            finish(connection, claim.id, State.REFUSED, ended, f"the chat moved to itself ({chat})")


def finish(connection: sqlite3.Connection, key: int, state: State, at: float, reason: str) -> None:
    """Take a message out of the queue, for good or until somebody puts it back."""
    connection.execute(
        "UPDATE message SET state = ?, finished = ?, reason = ? WHERE id = ?", (state, at, reason, key)
    )
    if state is State.SENT:
        # What the team has is not kept here too.
        connection.execute(
            "DELETE FROM attachment WHERE id = (SELECT attachment FROM message WHERE id = ?)", (key,)
        )
        connection.execute("UPDATE message SET text = '', attachment = NULL WHERE id = ?", (key,))


def _put_off(connection: sqlite3.Connection, claim: Claim, retry: Retry, ended: float, jitter: float) -> None:
    """Try again later, before what waits behind it."""
    [row] = connection.execute(
        "UPDATE message SET failures = failures + 1, server_errors = server_errors + ?,"
        " unknown = unknown + ?, reason = ? WHERE id = ? RETURNING failures, server_errors",
        (retry.answered, retry.unknown, retry.reason, claim.id),
    ).fetchall()
    wait = max(pause(row["failures"], jitter), retry.seconds)
    if row["server_errors"] >= _STUCK:
        connection.execute(
            "UPDATE message SET server_errors = 0, position = (SELECT max(id) FROM message) + 0.5"
            " WHERE id = ?",
            (claim.id,),
        )
    connection.execute("UPDATE chat SET ready = max(ready, ?) WHERE chat = ?", (ended + wait, claim.chat))


def _hold(connection: sqlite3.Connection, claim: Claim, ended: float, until: float) -> None:
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
    if row["limited"] >= _BOT_LIMITED:
        connection.execute("UPDATE bot SET held = max(held, ?)", (until,))


def _move(connection: sqlite3.Connection, old: str, new: str) -> None:
    """A group became a supergroup: what waits for the one goes to the other, now and later."""
    connection.execute("INSERT OR IGNORE INTO chat (chat, ready) VALUES (?, 0)", (new,))
    connection.execute("UPDATE chat SET moved_to = ? WHERE chat = ?", (new, old))
    connection.execute("UPDATE chat SET moved_to = NULL WHERE chat = ?", (new,))
    connection.execute("UPDATE message SET chat = ? WHERE chat = ? AND state = 'waiting'", (new, old))
