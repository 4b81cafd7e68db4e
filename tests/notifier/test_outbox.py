"""The outbox: what goes in stays in until it is out."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from notifier.database import OutboxError
from notifier.messages import Attachment, Method
from notifier.outbox import Envelope, Key, Outbox
from notifier.render import Letter, Part, Rendered, compose
from notifier.repeats import Repeats
from notifier.reply import (
    Refused,
)
from tests.notifier.post import DAY, Post


def test_sent_texts_and_files_are_not_kept(post: Post, tmp_path: Path) -> None:
    part = Part(Method.DOCUMENT, "the caption", Attachment("a.bin", b"the bytes"))
    post.outbox.put(Envelope("5", "e", DAY), Letter((part,)), post.now)
    post.deliver()
    with closing(sqlite3.connect(tmp_path / "state/outbox.sqlite3")) as connection:
        assert connection.execute("SELECT text, attachment FROM message").fetchall() == [("", None)]
        assert connection.execute("SELECT count(*) FROM attachment").fetchone() == (0,)


def test_another_process_that_looks_into_the_outbox_takes_nothing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    look = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM bot'); db.close()"
    )
    with closing(Outbox(path)) as ours, closing(Outbox(path)):
        for count in range(1, 4):
            ours.put(Envelope("5", "e", DAY), Letter((Part(Method.TEXT, "text"),)), 0.0)
            # The last to close an SQLite file removes its log: this one must not be the last.
            subprocess.run([sys.executable, "-c", look, str(path)], check=True)
            assert path.with_name("outbox.sqlite3-wal").exists()
            with closing(sqlite3.connect(path)) as other:
                assert other.execute("SELECT count(*) FROM message").fetchone() == (count,)


def test_old_entries_are_forgotten_the_unsent_ones_last(post: Post) -> None:
    post.put("sent")
    post.deliver()
    post.now += 1
    post.put("refused")
    (claim,) = post.claim()
    post.answer(claim, Refused("no"))
    post.put("waiting", "6", lifetime=99 * DAY)
    for days, left in ((6, (1, 1, 1)), (2, (0, 1, 1)), (23, (0, 0, 1))):
        post.now += days * DAY
        post.outbox.tidy(post.now)
        status = post.outbox.status(post.now)
        assert (status.sent, status.refused, status.waiting) == left


def alert(post: Post, text: str = "down", window: float = 600) -> list[int] | Repeats:
    return post.outbox.put(
        Envelope("5", "e", DAY), compose(Rendered(text)), post.now, Key("down/n1", window, text)
    )


def test_repeats_are_counted_and_told_when_the_window_closes(post: Post) -> None:
    assert isinstance(alert(post), list)
    for count in range(2, 18):
        post.now += 10
        repeats = alert(post, f"down {count}")
        assert isinstance(repeats, Repeats)
        assert repeats.count == count
    assert post.deliver() == ["down"]
    post.now += 600
    post.outbox.close_windows(post.now)
    (told,) = post.deliver()
    assert told.startswith("down 17\n<i>x17 since ")
    post.now += 601
    post.outbox.close_windows(post.now)
    assert post.deliver() == [], "nothing more came"
    assert isinstance(alert(post), list), "a new trouble is told at once"


def test_a_lasting_alert_is_told_once_a_window(post: Post) -> None:
    sent = []
    for _ in range(180):
        alert(post)
        sent += post.deliver()
        post.now += 60
    assert len(sent) == 18
    assert ["since" in text for text in sent] == [False] + [True] * 17


def test_other_chats_and_keys_are_not_repeats(post: Post) -> None:
    alert(post)
    letter = compose(Rendered("x"))
    for chat, name in (("6", "down/n1"), ("5", "down/n2")):
        kept = post.outbox.put(Envelope(chat, "e", DAY), letter, post.now, Key(name, 600, "x"))
        assert isinstance(kept, list)


def _open(path: Path, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]  # a multiprocessing.Barrier, whose type is private
    with closing(Outbox(path)) as outbox:
        outbox.put(Envelope("5", "e", DAY), compose(Rendered("x")), 0.0)


def test_processes_that_come_first_at_the_same_time_all_get_in(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        path = tmp_path / str(attempt) / "outbox.sqlite3"
        barrier = context.Barrier(6)
        processes = [context.Process(target=_open, args=(path, barrier)) for _ in range(6)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(30)
        assert [process.exitcode for process in processes] == [0] * 6
        with closing(Outbox(path)) as outbox:
            assert outbox.waiting() == 6


def test_the_outbox_is_closed_to_other_users(post: Post, tmp_path: Path) -> None:
    directory = tmp_path / "state"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_a_file_that_is_no_outbox_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 500)
    with pytest.raises(OutboxError, match=r"^outbox .*/notes.txt: file is not a database$"):
        Outbox(path)


def test_an_outbox_of_a_newer_notifier_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxError, match="written by a newer notifier"):
        Outbox(path)


def test_a_locked_outbox_is_waited_for_and_then_named(post: Post) -> None:
    path = post.outbox.database.path
    with closing(Outbox(path, patience=0.2)) as other, closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="locked by another process"):
            other.put(Envelope("5", "e", DAY), compose(Rendered("x")), 0.0)
