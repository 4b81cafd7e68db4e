"""Hosts asked by OpenSSH's own client: what it is told, and what its refusals amount to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from inventory import Host
from status import ssh
from status.ssh import ask, shell

PINS = "hub.infra.example,192.0.2.9 ssh-ed25519 AAAA9\nn1.infra.example,192.0.2.1 ssh-ed25519 AAAA1\n"


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.known_hosts"
    file.write_text(PINS)
    return file


def host(name: str, pins: Path, address: str = "192.0.2.1") -> Host:
    data = {"ssh_user": "root", "ssh_hostname": address, "ssh_known_hosts_file": str(pins), "ssh_key": "/k"}
    return Host(name=name, fqdn=f"{name}.infra.example", groups=(), data=data)


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of ssh."""
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "ssh: connect to host 192.0.2.1 port 22: Connection timed out\n",
            "no SSH at 192.0.2.1: Connection timed out",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\n",
            "no SSH at 192.0.2.1: Connection re",
        ),
        ("root@192.0.2.1: Permission denied (publickey).\n", "root's login at 192.0.2.1 is refused"),
        (
            "No ED25519 host key is known for 192.0.2.1.\nHost key verification failed.\n",
            "its SSH host key is not pinned in",
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n",
            "its SSH host key is not the one pinned in",
        ),
        ("", "no SSH at 192.0.2.1: ssh said nothing"),
    ],
)
def test_a_connection_that_does_not_come_about_is_one_line_that_says_what_to_do(
    said: str, problem: str, pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "said").write_text(said)
    pretend(tmp_path, monkeypatch, f"cat {tmp_path}/said >&2; exit 255")
    reply = ask([host("n1", pins)], lambda _: "true", "", 5)["n1"]
    assert reply.text is None
    assert reply.problem.startswith(problem)
    assert "fleet.known_hosts:2" in reply.problem or "not the one" not in reply.problem


def test_hosts_are_asked_at_once_by_the_given_key_and_with_pinned_keys_alone(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, 'cat; for word; do echo "$word"; done')
    found = ask([host("n1", pins), host("hub", pins, "192.0.2.9")], lambda name: f"ask {name}", "in\n", 5)
    for name, where in (("n1", "root@192.0.2.1"), ("hub", "root@192.0.2.9")):
        first, *words = (found[name].text or "").splitlines()
        assert first == "in"
        assert words[-3:] == [where, "--", f"ask {name}"]
        assert {"StrictHostKeyChecking=yes", f"UserKnownHostsFile={pins}", "BatchMode=yes"} <= set(words)
        assert words[words.index("-i") + 1] == "/k"


def test_a_command_that_fails_or_hangs_tells_its_last_words(
    pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, 'sh -c "$(for last; do :; done; printf %s "$last")"')
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 0)

    def problem(command: str, patience: float = 5) -> str:
        return ask([host("n1", pins)], lambda _: command, "", patience)["n1"].problem

    assert problem("echo 'error: python3 is not installed'; exit 1") == "python3 is not installed"
    assert problem("exit 3") == "it ended with 3"
    assert problem("exec sleep 5", 0.3) == "no answer within 0 s"


def test_arguments_reach_a_script_whole(pins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, monkeypatch, 'sh -c "$(for last; do :; done; printf %s "$last")"')
    argument = json.dumps({"a": 'it\'s "one" $(word)\\n'})
    reply = ask([host("n1", pins)], lambda _: shell('printf %s "$1"', argument), "", 5)["n1"]
    assert reply.text == argument
