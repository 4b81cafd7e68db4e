"""The outbox: what goes in stays in, in order, until it is out."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from notifier.claims import Claim, Claims, Result
from notifier.database import OutboxError
from notifier.messages import Attachment, Method
from notifier.outbox import Envelope, Key, Outbox, State
from notifier.owner import Owner
from notifier.render import Letter, Part, Rendered, compose
from notifier.repeats import Repeats
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

DAY = 86400.0
FAILED = Retry("no answer", unknown=True)
BUSY = Retry("502 Bad Gateway", unknown=True, answered=True)


class Post:
    """An outbox with one sender, on a clock that stands still until told."""

    def __init__(self, path: Path) -> None:
        self.now = 1_800_000_000.0
        self.outbox = Outbox(path)
        self.claims = self.sender()

    def sender(self) -> Claims:
        return Claims(self.outbox.database, Owner(self.outbox.database.path), lambda: self.now, lambda: 0.0)

    def put(self, text: str, chat: str = "5", *, lifetime: float = DAY) -> int:
        letter = Letter((Part(Method.TEXT, text),))
        kept = self.outbox.put(Envelope(chat, "e", lifetime), letter, self.now)
        assert isinstance(kept, list)
        return kept[0]

    def claim(self, room: int = 100) -> list[Claim]:
        return self.claims.turn([], room).claims

    def answer(self, claim: Claim, outcome: Outcome) -> None:
        self.claims.turn([Result(claim, outcome, self.now)], 0)

    def deliver(self) -> list[str]:
        """Everything that is ready, in the order it goes out."""
        claims = self.claim()
        for claim in claims:
            self.answer(claim, Delivered(1))
        return [claim.text for claim in claims]

    def state(self, key: int) -> tuple[State, str]:
        (entry,) = self.outbox.entries([key])
        return entry.state, entry.reason

    def next_at(self) -> float:
        turn = self.claims.turn([], 100)
        assert turn.claims == []
        assert turn.next_at is not None
        return turn.next_at - self.now


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    found = Post(tmp_path / "state" / "outbox.sqlite3")
    yield found
    found.outbox.close()


def test_a_chat_gets_its_messages_one_after_another_in_order(post: Post) -> None:
    for text in ("one", "two", "three"):
        post.put(text)
    seen = []
    for _ in range(3):
        (claim,) = post.claim()
        assert post.claim() == [], "one request under way a chat"
        post.answer(claim, Delivered(1))
        assert post.claim() == [], "a second has not passed"
        seen.append(claim.text)
        post.now += 1
    assert seen == ["one", "two", "three"]
    assert post.outbox.status(post.now).sent == 3


def test_a_failed_message_is_tried_again_before_those_behind_it(post: Post) -> None:
    post.put("one")
    post.put("two")
    for pause in (2, 4, 8, 16):
        (claim,) = post.claim()
        assert claim.text == "one"
        post.answer(claim, FAILED)
        assert post.next_at() == pause
        post.now += pause
    assert post.deliver() == ["one"]


def test_a_failing_chat_does_not_delay_another(post: Post) -> None:
    post.put("one", "5")
    post.put("two", "6")
    five, six = post.claim()
    post.answer(five, FAILED)
    post.answer(six, Delivered(1))
    post.put("three", "6")
    post.now += 1
    assert post.deliver() == ["three"]


def test_a_429_is_waited_out_exactly(post: Post) -> None:
    key = post.put("one")
    (claim,) = post.claim()
    post.answer(claim, RetryAfter(37))
    assert post.state(key) == (State.WAITING, "429: Telegram asks to wait 37 s")
    post.now += 36.999
    assert post.claim() == []
    post.now += 0.001
    assert post.deliver() == ["one"]


def test_a_chat_told_to_wait_leaves_the_others_alone(post: Post) -> None:
    post.put("one", "5")
    (claim,) = post.claim()
    post.answer(claim, RetryAfter(60))
    post.put("two", "6")
    assert post.deliver() == ["two"]


def test_three_chats_told_to_wait_in_a_row_hold_the_whole_bot(post: Post) -> None:
    for chat in "567":
        post.put("m", chat)
    for claim, seconds in zip(post.claim(), (10, 30, 20), strict=True):
        post.answer(claim, RetryAfter(seconds))
    post.put("other", "8")
    assert post.next_at() == 20
    post.now += 20
    assert set(post.deliver()) == {"m", "other"}


def test_a_delivery_between_them_shows_that_the_bot_is_not_meant(post: Post) -> None:
    for chat in "5678":
        post.put("m", chat)
    outcomes: list[Outcome] = [RetryAfter(10), RetryAfter(10), Delivered(1), RetryAfter(10)]
    for claim, outcome in zip(post.claim(), outcomes, strict=True):
        post.answer(claim, outcome)
    post.put("other", "9")
    assert post.deliver() == ["other"]


def test_all_senders_together_make_thirty_requests_a_second(post: Post) -> None:
    for chat in range(1, 101):
        post.put("m", str(chat))
    second = post.sender()
    first_turn, second_turn = post.claims.turn([], 20), second.turn([], 20)
    assert [len(first_turn.claims), len(second_turn.claims)] == [20, 10]
    post.now += 5
    assert post.claim() == [], "requests under way count, however long they last"
    done = [Result(claim, Delivered(1), post.now) for claim in first_turn.claims]
    assert post.claims.turn(done, 100).claims == []
    post.now += 1
    assert len(post.claim()) == 20


def test_a_group_gets_twenty_a_minute(post: Post) -> None:
    for number in range(30):
        post.put(str(number), "-5")
    times: list[float] = []
    while len(times) < 30:
        if post.deliver():
            times.append(post.now)
        post.now += 0.25
    for time in times:
        assert len([other for other in times if time - 60 < other <= time]) <= 20
    assert times[19] - times[0] == pytest.approx(19, abs=5), "the first twenty need not wait for a minute"


def test_what_is_refused_is_kept_with_its_reason_and_can_be_sent_again(post: Post) -> None:
    key = post.put("one")
    (claim,) = post.claim()
    post.answer(claim, Refused("403 Forbidden: bot was blocked by the user"))
    assert post.state(key) == (State.REFUSED, "403 Forbidden: bot was blocked by the user")
    assert post.outbox.status(post.now).unsent[0].id == key
    assert post.outbox.again(post.now, DAY) == 1
    post.now += 1
    assert post.deliver() == ["one"]


def test_a_refused_bot_leaves_everything_queued(post: Post) -> None:
    key = post.put("one")
    (claim,) = post.claim()
    post.answer(claim, Refused("401 Unauthorized", Scope.BOT))
    assert post.state(key) == (State.WAITING, "401 Unauthorized")


def test_bad_markup_is_sent_once_more_as_plain_text(post: Post) -> None:
    key = post.put("<b>1 &lt; 2</b>")
    (claim,) = post.claim()
    post.answer(claim, BadMarkup("can't parse entities"))
    post.now += 1
    (again,) = post.claim()
    assert (again.text, again.html) == ("1 < 2", False)
    post.answer(again, BadMarkup("can't parse entities"))
    assert post.state(key)[0] is State.REFUSED


def test_a_photo_refused_as_such_is_sent_as_a_file(post: Post) -> None:
    part = Part(Method.PHOTO, "caption", Attachment("a.png", b"png", photo=True))
    post.outbox.put(Envelope("5", "e", DAY), Letter((part,)), post.now)
    (claim,) = post.claim()
    post.answer(claim, BadPhoto("PHOTO_INVALID_DIMENSIONS"))
    post.now += 1
    (again,) = post.claim()
    assert (again.method, again.data, again.file_name) == (Method.DOCUMENT, b"png", "a.png")


def test_a_chat_that_moved_takes_its_messages_along(post: Post) -> None:
    for text in ("one", "two"):
        post.put(text, "-5")
    (claim,) = post.claim()
    post.answer(claim, Migrated("-1005"))
    assert [claim.chat for claim in post.claim()] == ["-1005"]
    key = post.put("three", "-5")
    assert post.outbox.entries([key])[0].chat == "-1005", "later ones go there at once"


def test_a_chat_that_moved_to_itself_is_refused(post: Post) -> None:
    key = post.put("one", "-5")
    (claim,) = post.claim()
    post.answer(claim, Migrated("-5"))
    assert post.state(key)[0] is State.REFUSED


def test_a_message_is_not_sent_after_its_deadline_and_says_why(post: Post) -> None:
    key = post.put("one", lifetime=60)
    post.put("two")
    (claim,) = post.claim()
    post.answer(claim, FAILED)
    post.now += 61
    assert post.deliver() == ["two"]
    assert post.state(key) == (State.EXPIRED, "not delivered in time; last: no answer")


def test_a_message_that_telegram_cannot_digest_lets_the_others_pass_after_ten_errors(post: Post) -> None:
    post.put("poison")
    post.put("two")
    post.put("three")
    for _ in range(10):
        (claim,) = post.claim()
        assert claim.text == "poison"
        post.answer(claim, BUSY)
        post.now += 301
    order = []
    for _ in range(3):
        order += post.deliver()
        post.now += 1
    assert order == ["two", "three", "poison"]


def test_a_network_that_is_down_never_changes_the_order(post: Post) -> None:
    post.put("one")
    post.put("two")
    for _ in range(40):
        (claim,) = post.claim()
        assert claim.text == "one"
        post.answer(claim, FAILED)
        post.now += 376


def test_a_clock_set_back_does_not_stop_the_queue(post: Post) -> None:
    post.put("one")
    (claim,) = post.claim()
    post.answer(claim, RetryAfter(30))
    post.now -= 7 * DAY
    assert post.next_at() == pytest.approx(30)
    post.now += 30
    assert post.deliver() == ["one"]


def test_sent_texts_and_files_are_not_kept(post: Post, tmp_path: Path) -> None:
    part = Part(Method.DOCUMENT, "the caption", Attachment("a.bin", b"the bytes"))
    post.outbox.put(Envelope("5", "e", DAY), Letter((part,)), post.now)
    post.deliver()
    with closing(sqlite3.connect(tmp_path / "state/outbox.sqlite3")) as connection:
        assert connection.execute("SELECT text, attachment FROM message").fetchall() == [("", None)]
        assert connection.execute("SELECT count(*) FROM attachment").fetchone() == (0,)


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
