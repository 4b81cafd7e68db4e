"""Requests stay under a vendor's limit, whatever the time is."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploys.providers.pace import Pacer


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def pacer(time: Time, limit: int = 10, seconds: float = 60) -> Pacer:
    return Pacer(limit, seconds, time.clock, time.sleep)


def test_a_burst_below_the_limit_does_not_wait() -> None:
    time = Time()
    paced = pacer(time)
    for _ in range(10):
        paced.wait()
    assert time.slept == []


def test_no_window_holds_more_than_the_limit() -> None:
    time = Time()
    paced = pacer(time)
    sent = []
    for at in range(95):
        paced.wait()
        sent.append(time.now)
        time.now += (at % 7) * 0.3
    for start in sent:
        assert sum(start <= moment < start + 60 for moment in sent) <= 10


def test_a_pause_the_vendor_asks_for_is_kept() -> None:
    time = Time()
    paced = pacer(time)
    paced.wait()
    paced.pause(30)
    paced.wait()
    assert time.now == 1030.0


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    time = Time()
    paced = pacer(time)
    paced.pause(30)
    paced.pause(1)
    paced.wait()
    assert time.now == 1030.0
