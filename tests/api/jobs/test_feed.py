"""Whose turn it is, without a clock, a disk or a server."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.jobs.feed import MOST, PARKED, SPAN, STEP, STUCK, Work, spread

SOURCES = 1
LEAST = STEP * (SOURCES + 1)


def fill(work: Work, address_of: dict[int, str], now: float = 0.0) -> None:
    while rows := work.next_rows(50):
        work.park([(row, address_of[row]) for row in rows], now)


def take_all(work: Work, address_of: dict[int, str] | None = None) -> list[tuple[int, str]]:
    """What may go now; with the list at hand, reading on as the runner does."""
    taken: list[tuple[int, str]] = []
    while True:
        if address_of is not None:
            fill(work, address_of)
        item = work.take()
        if item is None:
            return taken
        taken.append(item)


@pytest.mark.parametrize("total", [0, 1, 2, 3, 4999, 5000, 5001, 10_000, 65_537, 1_000_000])
def test_spreading_leaves_out_no_row_and_repeats_none(total: int) -> None:
    seen = bytearray(total + 1)
    for row in spread(total):
        assert not seen[row]
        seen[row] = 1
    assert sum(seen) == total


def test_any_part_of_the_order_comes_evenly_from_all_over_a_long_list() -> None:
    total, tenths = 100_000, Counter[int]()
    for place, row in enumerate(spread(total)):
        if 40_000 <= place < 41_000:
            tenths[(row - 1) * 10 // total] += 1
    assert all(95 <= tenths[tenth] <= 105 for tenth in range(10))


@given(
    st.lists(st.sampled_from(["a.test", "b.test", "c.test", "gone", ""]), max_size=300),
    st.dictionaries(st.sampled_from(["a.test", "b.test"]), st.just("operator")),
    st.integers(1, 30),
)
def test_every_row_is_handed_over_once_whatever_the_pace(
    domains: list[str], operators: dict[str, str], step: int
) -> None:
    address_of = {row: f"u{row}@{domain}" if domain else "none" for row, domain in enumerate(domains, 1)}
    work = Work(1, len(domains), SOURCES, operators.get)
    handed: list[int] = []
    out: list[int] = []
    now = 0.0
    while len(handed) < len(domains) or out:
        fill(work, address_of, now)
        taken = [row for row, _ in take_all(work)]
        assert taken or out, "it stands still with work left"
        handed += taken
        out += taken
        assert set(work.out) == set(out)
        for row in out[:step]:
            now += 0.1
            work.settled(row, now)
        del out[:step]
    assert sorted(handed) == sorted(address_of)


def test_what_is_taken_back_is_handed_over_again_in_its_order() -> None:
    address_of = {row: f"u{row}@{'ab'[row % 2]}.test" for row in range(1, 201)}
    work = Work(1, 200, SOURCES, lambda _: None)
    first = take_all(work, address_of)
    assert work.take_back() == []  # no tickets were noted
    assert not work.out
    again = take_all(work, address_of)
    for domain in ("a.test", "b.test"):
        assert [x for x in again if x[1].endswith(domain)] == [x for x in first if x[1].endswith(domain)]


def test_an_operator_gets_little_at_once_and_others_are_not_kept_waiting() -> None:
    address_of = {row: f"u{row}@{'big' if row % 10 else 'small'}.test" for row in range(1, 1001)}
    work = Work(1, 1000, SOURCES, lambda _: None)
    taken = Counter(address.partition("@")[2] for _, address in take_all(work, address_of))
    assert taken == {"big.test": LEAST, "small.test": LEAST}


def test_domains_of_one_operator_share_its_allowance() -> None:
    work = Work(1, 1000, SOURCES, lambda _: "operator")
    assert len(take_all(work, {row: f"u{row}@d{row}.test" for row in range(1, 1001)})) == LEAST


def test_more_goes_where_answers_come_fast_and_less_again_when_they_slow_down() -> None:
    work = Work(1, PARKED, SOURCES, lambda _: None)
    address_of = {row: f"u{row}@d.test" for row in range(1, PARKED + 1)}
    now, out = 0.0, [row for row, _ in take_all(work, address_of)]
    while len(out) < 500:  # a hundred a second and more
        now += 0.005
        work.settled(out.pop(0), now)
        out += [row for row, _ in take_all(work, address_of)]
        assert now < 3 * SPAN
    assert len(out) <= MOST
    while len(out) > LEAST:  # one in two seconds
        now += 2.0
        work.settled(out.pop(0), now)
    assert take_all(work) == []
    work.settled(out.pop(0), now + 2.0)
    assert len(take_all(work)) == 1


def test_a_lane_from_which_nothing_comes_back_lets_some_more_go_after_a_while() -> None:
    work = Work(1, 1000, SOURCES, lambda _: None)
    take_all(work, {row: f"u{row}@d.test" for row in range(1, 1001)})
    work.look_round(STUCK - 1)
    assert take_all(work) == []
    work.look_round(STUCK)
    assert len(take_all(work)) == STEP


def test_what_is_held_in_memory_is_bounded() -> None:
    work = Work(1, 1_000_000, SOURCES, lambda _: "one operator")
    read = 0
    while rows := work.next_rows(500):
        work.park([(row, f"u{row}@d.test") for row in rows], 0.0)
        take_all(work)
        read += len(rows)
        assert read < 3 * PARKED
