"""`outreach lab` as a person or a script meets it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lab import Lab
from tests.lab.conftest import settled, wait_for

pytestmark = pytest.mark.lab


def outreach_lab(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("outreach")), "lab", *words]
    environment = {**os.environ, "OUTREACH_LAB": str(state)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_status_names_every_part_its_processes_and_memory(lab: Lab) -> None:
    done = outreach_lab(lab.state, "status", "--json")
    found = json.loads(done.stdout)
    parts = {part["name"]: part for part in found["parts"]}
    assert (done.returncode, found["up"]) == (0, True)
    assert {"squid", "relay", "emulators", "host dns", "host mx", "host stranger"} <= parts.keys()
    assert all(
        parts[name]["processes"] and parts[name]["memory"] for name in ("squid", "emulators", "host mx")
    )


def test_status_tells_of_a_lab_that_is_not_up(tmp_path: Path) -> None:
    done = outreach_lab(tmp_path / "none", "status")
    assert (done.returncode, "not up" in done.stdout, done.stderr) == (1, True, "")


def test_env_prints_what_a_shell_can_take(lab: Lab) -> None:
    lines = outreach_lab(lab.state, "env").stdout.splitlines()
    words = [shlex.split(line) for line in lines]
    assert dict(word.split("=", 1) for _, word in words) == lab.environment()
    assert {first for first, _ in words} == {"export"}


def test_ssh_and_exec_hand_on_the_exit_status(lab: Lab) -> None:
    wait_for(lambda: settled(lab, "stranger"))
    assert outreach_lab(lab.state, "ssh", "stranger", "--", "exit 7").returncode == 7
    assert outreach_lab(lab.state, "exec", "--", "sh", "-c", "exit 8").returncode == 8


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("exec",), "name a command: outreach lab exec -- CMD"),
        (("ssh", "nobody"), "there is no host nobody; hosts: dns, "),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], complaint: str, lab: Lab) -> None:
    done = outreach_lab(lab.state, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"outreach: {complaint}")


@pytest.mark.parametrize("words", [("env",), ("exec", "true"), ("ssh", "n1")])
def test_without_a_lab_the_way_to_one_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    done = outreach_lab(tmp_path / "none", *words)
    assert (done.returncode, done.stderr) == (1, "outreach: the lab is not up; run `outreach lab up`\n")
