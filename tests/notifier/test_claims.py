"""Who sends what, and when: order, limits, pauses, deadlines."""

from __future__ import annotations

import pytest

from notifier.attempt import Result
from notifier.messages import Attachment, Method
from notifier.outbox import Envelope, State
from notifier.render import Letter, Part
from notifier.reply import (
    BadMarkup,
    BadPhoto,
    Delivered,
    Migrated,
    Outcome,
    Refused,
    RetryAfter,
    Scope,
)
from tests.notifier.post import BUSY, DAY, FAILED, Post


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
