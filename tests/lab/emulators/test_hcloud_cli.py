"""Debian's hcloud-cli, written by the vendor in another language, works on the emulator as it is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.emulators import Emulators
from tests.lab.emulators.test_hetzner_sdk import public_key


class Hcloud:
    def __init__(self, emulators: Emulators, home: Path) -> None:
        self._env = {**os.environ, **emulators.env, "HOME": str(home)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["hcloud", "--poll-interval", "50ms", *arguments]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 1
        return done.stderr


@pytest.fixture
def hcloud(emulators: Emulators, tmp_path: Path) -> Hcloud:
    return Hcloud(emulators, tmp_path)


def create(hcloud: Hcloud, *options: str) -> str:
    return hcloud(
        *("server", "create", "--name", "n1.infra.example", "--type", "cx33", "--image", "debian-13"),
        *("--location", "fsn1", "--label", "managed-by=berg", *options),
    )


def test_the_cli_creates_lists_describes_and_deletes_a_server(hcloud: Hcloud, emulators: Emulators) -> None:
    hcloud("ssh-key", "create", "--name", "ops", "--public-key", public_key())
    assert "IPv4: 198.18.1.10" in create(hcloud, "--ssh-key", "ops")
    assert emulators.world()["hosts"]["n1"]["ssh_keys"] == [public_key()]
    [line] = hcloud("server", "list", "-l", "managed-by=berg", "-o", "noheader").splitlines()
    assert line.split()[1:4] == ["n1.infra.example", "running", "198.18.1.10"]
    assert hcloud("server", "list", "-l", "managed-by!=berg", "-o", "noheader") == ""
    described = json.loads(hcloud("server", "describe", "n1.infra.example", "-o", "json"))
    assert described["server_type"]["name"] == "cx33"
    assert described["image"]["name"] == "debian-13"
    assert "uniqueness_error" in hcloud.refused(
        "server", "create", "--name", "n1.infra.example", "--type", "cx33", "--image", "debian-13"
    )
    hcloud("server", "delete", "n1.infra.example")
    assert emulators.world()["hosts"] == {}
    assert "not found" in hcloud.refused("server", "delete", "n1.infra.example")


def test_the_cli_sets_a_ptr(hcloud: Hcloud, emulators: Emulators) -> None:
    create(hcloud)
    hcloud("server", "set-rdns", "n1.infra.example", "--hostname", "n1.infra.example", "--ip", "198.18.1.10")
    assert emulators.world()["ptrs"] == {"198.18.1.10": "n1.infra.example"}
    assert "n1.infra.example" in hcloud("primary-ip", "list", "-o", "columns=dns")


def test_the_cli_manages_ssh_keys(hcloud: Hcloud) -> None:
    hcloud("ssh-key", "create", "--name", "ops", "--public-key", public_key())
    again = hcloud.refused("ssh-key", "create", "--name", "ops2", "--public-key", public_key())
    assert "uniqueness_error" in again
    hcloud("ssh-key", "add-label", "ops", "fleet=berg")
    assert json.loads(hcloud("ssh-key", "describe", "ops", "-o", "json"))["labels"] == {"fleet": "berg"}
    hcloud("ssh-key", "delete", "ops")
    assert hcloud("ssh-key", "list", "-o", "noheader") == ""


def test_the_cli_manages_firewalls(hcloud: Hcloud) -> None:
    hcloud("firewall", "create", "--name", "nodes")
    rule = ("--direction", "in", "--protocol", "tcp", "--port", "22", "--source-ips", "192.0.2.0/24")
    hcloud("firewall", "add-rule", "nodes", *rule)
    create(hcloud, "--firewall", "nodes")
    described = json.loads(hcloud("firewall", "describe", "nodes", "-o", "json"))
    assert described["rules"][0]["source_ips"] == ["192.0.2.0/24"]
    assert [resource["type"] for resource in described["applied_to"]] == ["server"]
    assert "resource_in_use" in hcloud.refused("firewall", "delete", "nodes")
    hcloud("firewall", "remove-from-resource", "nodes", "--type", "server", "--server", "n1.infra.example")
    hcloud("firewall", "delete", "nodes")
    assert hcloud("firewall", "list", "-o", "noheader") == ""


def test_the_cli_reads_the_catalogue(hcloud: Hcloud) -> None:
    assert "cx33" in hcloud("server-type", "list")
    assert "fsn1" in hcloud("location", "list")
    assert "debian-13" in hcloud("image", "list", "--type", "system")
