"""What a host may be asked: the questions of a real run, and nothing that is a hair beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inventory import Role
from inventory.places import CERTIFICATE, dkim_key
from status.checks import doors
from status.observe import Questions
from status.probe.asked import KNOCKS, Refused, checked
from status.survey import Options, Survey
from tests.deploys.fleets import allocation, fleet_text
from tests.status.samples import questions
from tests.status.test_survey import World, seen_places

NODE: dict[str, Any] = {
    "units": ["ssh", "postgresql@17-main", "apt-daily-upgrade.timer"],
    "mail": True,
    "keys": {"a.example": dkim_key("a.example", "s1")},
    "certificate": CERTIFICATE,
    "recipients": ["postmaster@a.example", "o'neil+x@a.example"],
    "knocks": [["192.0.2.1", 22]],
    "outgoing": ["192.0.2.25"],
    "hub": None,
}
HUB = {"name": "hub.infra.example", "address": "192.0.2.1", "n8n_workers": 2}


def test_every_question_of_a_run_may_be_asked(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}
    world, seen = World(), seen_places(tmp_path, 3)

    def inside(hosts: Any, what: Questions) -> Any:
        asked.update(what)
        return world.inside(hosts, what)

    fleet = allocation(tmp_path / "f.yaml", fleet_text(nodes=3, domains=3))
    Survey(fleet, seen, questions({}), options=Options(), inside=inside, outside=world.outside).run()
    assert set(asked) == {"hub", "n1", "n2", "n3"}
    for question in asked.values():
        assert checked(json.dumps(question)) == json.loads(json.dumps(question))


def test_the_ports_to_knock_at_are_those_that_strangers_try() -> None:
    assert set(KNOCKS) == {port for role in Role for port in doors.STRANGERS_TRY[role]}


@pytest.mark.parametrize(
    ("over", "refused"),
    [
        ({"units": ["--host=x"]}, "units"),
        ({"units": ["a b"]}, "units"),
        ({"units": ["x"] * 65}, "units"),
        ({"units": "ssh"}, "units"),
        ({"mail": 1}, "mail"),
        ({"keys": {"a.example": "/etc/shadow"}}, "keys"),
        ({"keys": {"a.example": "/var/lib/rspamd/dkim/../../../etc/x.key"}}, "keys"),
        ({"keys": {"a.example": "/var/lib/rspamd/dkim/a.key\n"}}, "keys"),
        ({"keys": {"-x": dkim_key("a", "b")}}, "keys"),
        ({"certificate": "/etc/shadow"}, "certificate"),
        ({"recipients": ["a@a.example> SIZE=1"]}, "recipients"),
        ({"recipients": ["a@a.example\r\nDATA"]}, "recipients"),
        ({"recipients": ["-x"]}, "recipients"),
        ({"knocks": [["192.0.2.1", 80]]}, "knocks"),
        ({"knocks": [["n1.example", 22]]}, "knocks"),
        ({"knocks": [["224.0.0.1", 22]]}, "knocks"),
        ({"knocks": [["192.0.2.1", 22]] * 65}, "knocks"),
        ({"outgoing": ["mx.example"]}, "outgoing"),
        ({"outgoing": ["192.0.2.1"] * 5}, "outgoing"),
        ({"hub": HUB | {"n8n_workers": 10}}, "hub"),
        ({"hub": HUB | {"n8n_workers": True}}, "hub"),
        ({"hub": HUB | {"name": "a/b"}}, "hub"),
        ({"hub": HUB | {"more": 1}}, "hub"),
        ({"more": 1}, "nothing else"),
    ],
)
def test_what_is_beside_them_is_refused(over: dict[str, Any], refused: str) -> None:
    assert checked(json.dumps(NODE))
    assert checked(json.dumps(NODE | {"hub": HUB}))
    with pytest.raises(Refused, match=refused):
        checked(json.dumps(NODE | over))


@pytest.mark.parametrize("command", ["", "sh", "internal-sftp", "[]", "[" * 100_000, " " * 200_000])
def test_a_command_is_no_question_and_is_not_run(command: str) -> None:
    environment = {**os.environ, "SSH_ORIGINAL_COMMAND": command[:100_000]}
    done = subprocess.run(
        [sys.executable, "-m", "status.probe"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("error: ")
    assert done.stdout.count("\n") == 1
    with pytest.raises(Refused):
        checked(command)
