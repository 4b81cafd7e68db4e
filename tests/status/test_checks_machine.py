"""Checks of the machine: room, queue, updates, clock, release."""

from __future__ import annotations

from typing import Any

import pytest

from status.checks import (
    machine,
    tools,
)
from status.finding import Level
from tests.status.samples import DAY, FAILED, NOW, OK, WARNING, judged, with_facts


def disk(free: int, *, files_free: int = 90) -> list[dict[str, Any]]:
    return [
        {
            "mount": "/var",
            "used": 100 - free,
            "free": free,
            "files_used": 100 - files_free,
            "files_free": files_free,
        }
    ]


@pytest.mark.parametrize(
    ("disks", "level"),
    [
        (disk(30), OK),
        (disk(29), WARNING),
        (disk(15), WARNING),
        (disk(14), FAILED),
        (disk(60, files_free=14), FAILED),
        ([{"mount": "/var", "used": 1, "free": 9}], OK),
    ],
)
def test_a_disk_warns_at_30_and_fails_at_15_percent(disks: list[dict[str, Any]], level: Level) -> None:
    assert judged(machine.disk, with_facts(disks=disks)) == [("/var", level)]


@pytest.mark.parametrize(("available", "level"), [(20, OK), (19, WARNING), (10, WARNING), (9, FAILED)])
def test_memory_warns_at_20_and_fails_at_10_percent(available: int, level: Level) -> None:
    seen = with_facts(memory={"total": 100, "available": available})
    assert judged(machine.memory, seen) == [("", level)]


@pytest.mark.parametrize(
    ("mails", "hours", "level"),
    [(0, 0, OK), (1000, 11, OK), (1001, 1, WARNING), (3, 13, WARNING), (5001, 1, FAILED), (1, 51, FAILED)],
)
def test_a_long_or_old_queue_is_told(mails: int, hours: float, level: Level) -> None:
    seen = with_facts(queue={"mails": mails, "oldest": hours * 3600})
    assert judged(machine.queue, seen) == [("", level)]


@pytest.mark.parametrize(
    ("updates", "level"),
    [
        ({"security": [], "lists_age": 3600, "reboot": False}, OK),
        ({"security": [], "lists_age": None, "reboot": False}, OK),
        ({"security": ["openssl"], "lists_age": 3600, "reboot": False}, WARNING),
        ({"security": [], "lists_age": 4 * DAY, "reboot": False}, WARNING),
        ({"security": [], "lists_age": 3600, "reboot": True}, WARNING),
    ],
)
def test_pending_security_updates_old_lists_and_reboots_are_warned_of(
    updates: dict[str, Any], level: Level
) -> None:
    assert judged(machine.updates, with_facts(updates=updates)) == [("", level)]


@pytest.mark.parametrize(
    ("over", "level"),
    [
        ({}, OK),
        ({"clock": {"leap": "Normal", "offset": -0.7}}, WARNING),
        ({"clock": {"leap": "Normal", "offset": 31}}, FAILED),
        ({"clock": {"leap": "Not synchronised", "offset": 0}}, WARNING),
        ({"clock": None}, OK),
        ({"clock": None, "started": NOW - 40}, FAILED),
        ({"clock": None, "ended": NOW + 6}, WARNING),
        ({"clock": None, "started": NOW - 0.6, "ended": NOW + 1.6}, OK),  # within the time the answer took
    ],
)
def test_a_clock_is_judged_by_chrony_and_by_ours(over: dict[str, Any], level: Level) -> None:
    assert judged(machine.clock, with_facts(**over)) == [("", level)]


RELEASE = {"version": "0.1.0+ab", "current": "0.1.0+ab"}


@pytest.mark.parametrize(
    ("release", "levels"),
    [
        (None, []),
        (RELEASE, [OK]),
        ({**RELEASE, "health": 200, "health_version": "0.1.0+ab"}, [OK, OK]),
        ({**RELEASE, "health": 200, "health_version": "0.0.9+cd"}, [OK, FAILED]),
        ({**RELEASE, "current": "0.0.9+cd"}, [FAILED]),
        ({"version": "0.1.0+ab"}, [FAILED]),
        ({**RELEASE, "health": 503}, [OK, FAILED]),
        ({**RELEASE, "health": 0}, [OK, FAILED]),
        ({**RELEASE, "health_problem": "Connection refused"}, [OK, FAILED]),
    ],
)
def test_the_release_that_was_pushed_runs_and_its_api_answers(
    release: dict[str, Any] | None, levels: list[Level]
) -> None:
    assert [level for _, level in judged(tools.release, with_facts(release=release))] == levels
