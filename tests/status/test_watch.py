"""The orchestrator's own look: the report is kept, a change is told once, what passes is not told at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventory import allocate, load_fleet
from notifier import Fate, MessageError, Notifier, Receipt
from status import cli, watch
from status.facts import Door, Outside
from status.finding import Finding, Level, Report, Weight
from status.watch import Kept
from tests.deploys.fleets import fleet_text


def report(*levels: Level) -> Report:
    found = [
        Finding("n1", "disk", f"/{at}", level, Weight.REQUIRED, str(level)) for at, level in enumerate(levels)
    ]
    return Report("proof", 1_800_000_000.0, ("n1",), tuple(found))


class Team:
    """A notifier that says what becomes of each message."""

    def __init__(self, fate: Fate = Fate.SENT, error: Exception | None = None) -> None:
        self.fate, self.error = fate, error
        self.told: list[tuple[str, str]] = []

    def send(self, message: Any, **how: Any) -> Any:
        if self.error:
            raise self.error
        self.told.append((message.body, how["dedupe_key"]))
        return Receipt(self.fate, "a1b2c3")


class Hub:
    """Runs, each of which sees what is given."""

    def __init__(self, folder: Path) -> None:
        self.kept = Kept(folder / "memory.json", folder / "report.json")
        self.looks = 0

    def watch(self, team: Team | None, *seen: Report, again: float = 0.001) -> list[tuple[str, str, str]]:
        looks: Iterator[Report] = iter(seen)

        def survey() -> Report:
            self.looks += 1
            return next(looks)

        said: Any = team
        who: Notifier | None = said
        return [change.key for change in watch.watch(survey, self.kept, who, again)[1]]


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


OK, BAD = report(Level.OK), report(Level.FAILED)


def test_a_change_is_told_once_and_its_end_too(hub: Hub) -> None:
    team = Team()
    assert hub.watch(team, OK) == []
    assert hub.watch(team, BAD, BAD) == [("n1", "disk", "/0")]
    assert hub.watch(team, BAD) == []
    assert hub.watch(team, OK, OK) == [("n1", "disk", "/0")]
    assert [text.splitlines()[0] for text, _ in team.told] == [
        "n1 disk /0: failed: failed (was ok)",
        "n1 disk /0: ok: ok (was failed)",
    ]
    assert len({key for _, key in team.told}) == 2


def test_what_restarts_while_it_looks_is_no_news(hub: Hub) -> None:
    team = Team()
    hub.watch(team, OK)
    assert hub.watch(team, BAD, OK) == []
    assert hub.watch(team, OK) == []
    assert (team.told, hub.looks) == ([], 4)


def test_who_does_not_want_to_look_again_does_not(hub: Hub) -> None:
    assert hub.watch(Team(), BAD, again=0)
    assert hub.looks == 1


@pytest.mark.parametrize("team", [Team(Fate.REFUSED), Team(error=MessageError("too long"))])
def test_what_nobody_could_be_told_is_news_again(hub: Hub, team: Team) -> None:
    hub.watch(Team(), OK)
    assert hub.watch(team, BAD, BAD)
    assert hub.watch(queued := Team(Fate.QUEUED), BAD, BAD)
    assert len(queued.told) == 1
    assert hub.watch(Team(), BAD) == []


def test_without_a_bot_the_report_is_kept_all_the_same(hub: Hub) -> None:
    assert hub.watch(None, BAD, BAD)
    assert hub.watch(None, BAD) == []
    assert json.loads(hub.kept.report.read_text())["fine"] is False


def test_the_orchestrator_dials_no_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []

    def look(address: str, ports: list[int], recipients: list[str]) -> Outside:
        asked.append(tuple(ports))
        return Outside(dict.fromkeys(ports, Door.OPEN))

    monkeypatch.setattr(watch, "look", look)
    watch.look_from_the_hub("192.0.2.1", (25, 22, 465), ["a@a.example"])
    assert asked == [(22, 465)]


def test_a_fleet_that_was_put_there_is_read_and_nonsense_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text(fleet_text(nodes=3))
    fleet = load_fleet(tmp_path / "fleet.yaml", {})
    placed = tmp_path / "fleet.json"
    placed.write_text(fleet.model_dump_json())
    monkeypatch.setattr(cli, "FLEET", placed)
    cli.check()
    assert capsys.readouterr().out == f"proof: {len(allocate(fleet).servers)} hosts\n"
    for text in ("{}", "nonsense"):
        placed.write_text(text)
        with pytest.raises(SystemExit):
            cli.check()
        assert capsys.readouterr().err.count("\n") == 1
    placed.unlink()
    with pytest.raises(SystemExit):
        cli.check()


def test_it_starts_with_what_a_host_has() -> None:
    """A release has no room of the operator's, and none of their libraries."""
    code = (
        "import sys, status.cli, status.probe.main\n"
        "rooms = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(rooms & {'cli', 'deploys', 'lab', 'costs', 'pyinfra', 'paramiko', 'cryptography'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "\n"
