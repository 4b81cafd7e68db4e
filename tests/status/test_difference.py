"""Only what changed is told: once, across hosts that cannot be asked, and never because of a figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from status.difference import Memory, changes, load, remember, save, state_file
from status.files import StateError
from status.finding import Finding, Level, Report, Weight

EMPTY = Memory({})


def finding(
    level: Level, check: str = "disk", host: str = "n1", about: str = "", says: str = "so"
) -> Finding:
    return Finding(host, check, about, level, Weight.REQUIRED, says)


def report(
    *findings: Finding, hosts: Sequence[str] = ("n1", "n2"), unseen: Sequence[str] = (), whole: bool = True
) -> Report:
    return Report("proof", 0.0, tuple(hosts), findings, frozenset(unseen), whole)


def told(memory: Memory, now: Report) -> list[tuple[str, str, Level | None, Level | None]]:
    return [
        (change.key[0], change.key[1], change.before, change.now.level if change.now else None)
        for change in changes(memory, now)
    ]


def test_the_first_run_tells_what_is_not_fine() -> None:
    now = report(finding(Level.OK), finding(Level.FAILED, "queue"))
    assert told(EMPTY, now) == [("n1", "queue", None, Level.FAILED)]


def test_a_change_is_told_once_in_both_directions() -> None:
    fine, bad = report(finding(Level.OK)), report(finding(Level.FAILED))
    memory = remember(EMPTY, fine)
    assert told(memory, bad) == [("n1", "disk", Level.OK, Level.FAILED)]
    memory = remember(memory, bad)
    assert told(memory, bad) == []
    assert told(memory, fine) == [("n1", "disk", Level.FAILED, Level.OK)]


def test_other_words_at_the_same_level_are_no_change() -> None:
    memory = remember(EMPTY, report(finding(Level.WARNING, says="29% left")))
    assert told(memory, report(finding(Level.WARNING, says="28% left"))) == []


def test_what_a_host_says_stays_as_it_was_while_it_cannot_be_asked() -> None:
    memory = remember(EMPTY, report(finding(Level.OK, "reach"), finding(Level.WARNING)))
    down = report(finding(Level.FAILED, "reach"), unseen=["n1"])
    assert told(memory, down) == [("n1", "reach", Level.OK, Level.FAILED)]
    memory = remember(memory, down)
    back = report(finding(Level.OK, "reach"), finding(Level.WARNING))
    assert told(memory, back) == [("n1", "reach", Level.FAILED, Level.OK)]


def test_what_is_gone_is_told_if_it_was_bad() -> None:
    memory = remember(
        EMPTY,
        report(finding(Level.FAILED, "spf", about="a.example"), finding(Level.OK, "spf", about="b.example")),
    )
    now = report(finding(Level.OK, "reach"))
    assert told(memory, now) == [("n1", "spf", Level.FAILED, None)]
    assert told(remember(memory, now), now) == []


def test_a_host_that_left_the_fleet_is_forgotten() -> None:
    memory = remember(EMPTY, report(finding(Level.FAILED, host="n2")))
    smaller = report(hosts=["n1"])
    assert told(memory, smaller) == [("n2", "disk", Level.FAILED, None)]
    assert remember(memory, smaller) == EMPTY


def test_a_limited_run_leaves_the_other_hosts_as_they_were() -> None:
    memory = remember(EMPTY, report(finding(Level.FAILED, host="n2"), finding(Level.UNKNOWN, "mx", host="")))
    limited = report(finding(Level.OK), hosts=["n1"], whole=False)
    assert told(memory, limited) == []
    assert set(remember(memory, limited).findings) == {("n2", "disk", ""), ("", "mx", ""), ("n1", "disk", "")}


LEVELS = st.dictionaries(
    st.tuples(st.sampled_from(["n1", "n2"]), st.sampled_from(["disk", "spf", "queue"])),
    st.sampled_from(Level),
)


@given(st.lists(LEVELS, max_size=6))
def test_a_run_right_after_another_tells_nothing(runs: list[dict[tuple[str, str], Level]]) -> None:
    memory = EMPTY
    for levels in runs:
        now = report(*(finding(level, check, host) for (host, check), level in levels.items()))
        memory = remember(memory, now)
        assert changes(memory, now) == []


def test_a_run_is_kept_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    memory = remember(EMPTY, report(finding(Level.FAILED, "spf", about="a.example")))
    assert load(path) is None
    save(path, memory)
    assert load(path) == memory
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"findings": [{"key": ["n1"]}]}',
        '{"findings": [{"key": [], "level": "x", "says": ""}]}',
    ],
)
def test_a_broken_state_file_is_one_line_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(StateError, match="remove it to begin anew"):
        load(path)


def test_a_state_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written: "):
        save(tmp_path / "file" / "state.json", EMPTY)


def test_each_fleet_file_has_a_state_of_its_own(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    one, other = (state_file(tmp_path / folder / "fleet.yaml", environ) for folder in ("a", "b"))
    assert one != other
    assert one.parent == tmp_path / "outreach"
    assert state_file(tmp_path / "a/fleet.yaml", dict(os.environ, XDG_STATE_HOME="")).is_absolute()
