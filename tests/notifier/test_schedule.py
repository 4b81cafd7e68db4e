"""Pauses, limits and repeats: arithmetic over time that is passed in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.pacing import CHAT, GROUP, OVERALL, Window, chat_free_at, is_group
from notifier.repeats import Repeats, opened, tally
from notifier.schedule import FOREGROUND, LONGEST, pause


def test_three_attempts_follow_the_first_after_two_four_and_eight_seconds() -> None:
    assert [pause(failures, 0) for failures in range(1, FOREGROUND + 1)] == [2, 4, 8]


def test_pauses_grow_up_to_five_minutes_and_no_further() -> None:
    pauses = [pause(failures, 0) for failures in range(1, 2000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST == 300


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_lengthens_a_pause_by_a_quarter_at_most(failures: int, jitter: float) -> None:
    assert pause(failures, 0) <= pause(failures, jitter) <= pause(failures, 0) * 1.25


@pytest.mark.parametrize(
    ("chat", "group"), [("42", False), ("-42", True), ("-1001234567890", True), ("@channel", True)]
)
def test_groups_and_channels_are_told_by_their_identifier(chat: str, group: bool) -> None:
    assert is_group(chat) is group


@given(st.lists(st.floats(0, 5), max_size=150), st.sampled_from([OVERALL, CHAT, GROUP, Window(3, 2)]))
def test_no_stretch_of_time_holds_more_than_a_window_allows(gaps: Sequence[float], window: Window) -> None:
    """A sender as eager as can be: each request as soon as it may, after a wish to wait `gap` seconds."""
    now, ends = 0.0, list[float]()
    for gap in gaps:
        now = max(now + gap, window.free_at(ends[::-1]))
        ends.append(now)
    for index, end in enumerate(ends):
        within = [other for other in ends[: index + 1] if other > end - window.seconds + 1e-9]
        assert len(within) <= window.limit


def test_a_burst_is_let_through_before_a_window_closes() -> None:
    assert GROUP.free_at([10.0] * 19) < 10.0
    assert GROUP.free_at([10.0] * 20) == 70.0


def test_a_group_obeys_both_its_limits() -> None:
    assert chat_free_at("-5", [100.0]) == 101.0
    assert chat_free_at("-5", [100.0 - number for number in range(20)]) == 81.0 + 60.0
    assert chat_free_at("5", [100.0 - number for number in range(20)]) == 101.0


def test_repeats_are_counted_until_the_window_closes() -> None:
    window = opened(1000, 600)
    for _ in range(16):
        window = window.once_more()
    assert window == Repeats(1000, 1600, count=17, told=1)


def test_an_alert_that_came_once_ends_with_its_window() -> None:
    assert opened(1000, 600).next_window(1600) is None


def test_a_lasting_alert_is_told_once_a_window() -> None:
    following = opened(1000, 600).once_more().next_window(1650)
    assert following == Repeats(1650, 2250, count=0, told=0)
    assert following.next_window(2250) is None
    assert following.once_more().next_window(2250) is not None


@pytest.mark.parametrize(
    ("since", "now", "text"),
    [
        (1_795_514_520, 1_795_518_000, "x17 since 10:02 UTC"),
        (1_795_514_520, 1_795_600_000, "x17 since 2026-11-24 10:02 UTC"),
    ],
)
def test_a_tally_names_the_date_only_if_it_is_another(since: float, now: float, text: str) -> None:
    assert tally(17, since, now) == text
