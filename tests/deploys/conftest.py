"""The real `outreach` command against the emulated vendors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.deploys.fleets import fleet_text
from tests.emulators import Emulators

AREAS = "servers,dns"
"""What can be applied where ordered servers are only recorded."""


@dataclass
class Outreach:
    """`outreach plan` and `apply` of one fleet file, as an operator runs them."""

    emulators: Emulators
    file: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, text: str) -> None:
        """Replace the fleet file."""
        self.file.write_text(text)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command; its streams are pipes, so no terminal."""
        command = [sys.executable, "-c", "from cli import main; main()", *arguments]
        return subprocess.Popen(
            command,
            env={**_system(), **self._vendors(), "OUTREACH_FLEET": str(self.file), **self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _vendors(self) -> dict[str, str]:
        """Without Telegram: a team of tests would wait for its 20 messages a minute."""
        return {name: value for name, value in self.emulators.env.items() if not name.startswith("TELEGRAM_")}

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def plan(self, *arguments: str, only: str = AREAS, expect: int) -> dict[str, Any]:
        """`plan --json`: what it printed."""
        done = self.run("plan", "--only", only, "--json", *arguments)
        assert done.returncode == expect, done.stderr or done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def apply(self, *arguments: str, only: str = AREAS, expect: int = 0) -> dict[str, Any]:
        """`apply --yes --json`: what it printed."""
        done = self.run("apply", "--only", only, "--yes", "--json", *arguments)
        assert done.returncode == expect, done.stderr or done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def _system() -> Mapping[str, str]:
    """The environment without anything of a real fleet."""
    ours = ("OUTREACH_", "HCLOUD_", "CLOUDFLARE_", "CONTABO_", "TELEGRAM_", "NOTIFIER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture
def outreach(emulators: Emulators, tmp_path: Path) -> Outreach:
    """A fleet of a hub, two nodes and four domains."""
    command = Outreach(emulators, tmp_path / "fleet.yaml")
    command.write(fleet_text(nodes=2, domains=4))
    return command
