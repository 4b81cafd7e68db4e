"""A chunk in a node's hands: what it tells, and what it believes by what it hears of NATS."""

from __future__ import annotations

from typing import Any, cast

import pytest
from nats.aio.msg import Msg

from engine.contact import Contact, says_nothing_answered
from engine.hand import BATCH, Hand
from engine.messages import MOST_BYTES, MOST_TEXT, Chunk
from validator import Stage, Status, Verdict
from validator.engine import Engine
from validator.resolver import FAILURE_TTL

ROWS = ((1, "a@x.test"), (2, "b@x.test"))


@pytest.mark.parametrize(
    ("status", "code", "silent"),
    [
        (Status.TIMEOUT, 0, True),
        (Status.UNKNOWN, 0, True),
        (Status.UNKNOWN, 252, False),
        (Status.VALID, 250, False),
        (Status.NO_MX, 0, False),
        (Status.CONNECTION_REFUSED, 0, False),
        (Status.TEMPFAIL, 451, False),
    ],
)
def test_silence_is_told_from_an_answer(status: Status, code: int, silent: bool) -> None:
    verdict = Verdict("a@x.test", status, "", "", 1.0, Stage.CONNECT, code=code)
    assert says_nothing_answered(verdict) is silent


def test_silence_counts_while_nats_answers_and_not_before_dns_may_have_forgotten_the_cut() -> None:
    contact = Contact(100.0, 8.0)
    assert contact.heard(105.0)
    contact.lost()
    assert contact.away
    assert not contact.heard(108.0)
    assert not contact.away
    for now in range(110, 108 + FAILURE_TTL, 2):
        assert not contact.heard(now)
    assert contact.heard(108.0 + FAILURE_TTL)


def test_silence_does_not_count_after_a_standstill_that_nobody_noticed() -> None:
    contact = Contact(100.0, 8.0)
    assert not contact.heard(108.1)


class Silent:
    """A validator whose mail servers do not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def submit(self, address: str, done: Any, *, patient: bool) -> None:
        assert patient
        self.asked.append(address)
        done(Verdict(address, Status.TIMEOUT, "no_answer", "", 0.9, Stage.CONNECT))


def hand() -> tuple[Hand, Silent]:
    made, silent = Hand(Chunk("j", 1, 1, "misc", ROWS), Msg(cast(Any, None)), 0.0), Silent()
    made.feed(cast(Engine, silent), 10, lambda: 1.0)
    return made, silent


def test_a_verdict_of_silence_is_told_once_nats_has_answered_after_it() -> None:
    made, _ = hand()
    assert not made.over
    assert made.asked == 2
    made.judge(lambda: 2.0, believe=True)
    assert made.over
    assert [place for place, _ in made.report().verdicts] == [1, 2]


def test_a_verdict_of_silence_met_while_nats_was_silent_too_is_asked_for_again() -> None:
    made, silent = hand()
    made.judge(lambda: 2.0, believe=False)
    assert not made.over
    assert made.asked == 0
    assert list(made.rest) == list(ROWS)
    made.feed(cast(Engine, silent), 10, lambda: 3.0)
    assert silent.asked == ["a@x.test", "b@x.test"] * 2


def test_a_dropped_chunk_tells_nothing_that_is_in_doubt() -> None:
    made, silent = hand()
    made.drop(cast(Engine, silent))
    made.judge(lambda: 2.0, believe=True)
    assert made.report().verdicts == ()
    assert made.over


def test_no_report_is_too_long_for_a_message_whatever_was_said_and_none_is_lost() -> None:
    rows = tuple((place, "\U0001f600" * MOST_TEXT) for place in range(1, BATCH + 1))
    made, silent = Hand(Chunk("j", 1, 1, "misc", rows), Msg(cast(Any, None)), 0.0), Silent()
    made.feed(cast(Engine, silent), BATCH, lambda: 1.0)
    made.judge(lambda: 2.0, believe=True)
    told: list[int] = []
    over = False
    while not over:
        report = made.report()
        assert len(report.encode()) <= MOST_BYTES * 1.1
        told += [place for place, _ in report.verdicts]
        over = report.over
    assert told == list(range(1, BATCH + 1))
