"""`outreach apply` over real hosts: killed as it converges them, with a host down or another in its place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from lab.lab import EXAMPLE_ACCOUNT
from tests.deploys.fleets import fleet_text
from tests.emulators import ACCOUNT
from tests.stock import STOCK

pytestmark = pytest.mark.lab


class Operator:
    """An operator of a small fleet in a lab."""

    def __init__(self, lab: Lab, file: Path) -> None:
        self.lab = lab
        self.file = file

    def start(self, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        argv = [str(Path(sys.executable).with_name("outreach")), *words, "--fleet", str(self.file)]
        return subprocess.Popen(
            self.lab.operator_command(argv),
            env={**os.environ, **self.lab.environment()},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def apply(self) -> dict[str, Any]:
        done = self.run("apply", "--yes", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def kill_once_told(self, mark: str, *words: str) -> None:
        """Start a command and kill it, with all it started, as soon as its progress says `mark`."""
        # Only its progress is read; the plan on its stdout is longer than a pipe holds.
        process = self.start(*words, stdout=subprocess.DEVNULL)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(mark):
                break
        else:
            pytest.fail(f"it ended without {mark!r}")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("hosts")
    lab = Lab(folder / "state", stock=STOCK)
    lab.up()
    file = folder / "fleet.yaml"
    text = fleet_text(nodes=2, domains=6).replace(ACCOUNT, EXAMPLE_ACCOUNT)
    keys, addresses = "  ssh_keys:", "  addresses: [198.18.0.1/32]"
    lines = [line for line in text.splitlines() if not line.startswith(keys)]
    file.write_text(
        "\n".join(addresses if line.startswith("  addresses:") else line for line in lines) + "\n"
    )
    yield Operator(lab, file)
    lab.down()


def test_an_apply_killed_while_it_converges_hosts_is_continued(operator: Operator) -> None:
    operator.kill_once_told("done create server n1", "apply", "--yes")
    operator.kill_once_told("n1: ", "apply", "--yes")
    operator.kill_once_told("n2: Keys", "apply", "--yes")
    operator.apply()
    again = operator.apply()
    assert (again["done"], again["plan"]["problems"], again["plan"]["drift"]) == (0, [], [])
    assert operator.run("plan").returncode == 0


def test_another_host_key_than_the_pinned_one_is_one_line_and_the_others_go_on(operator: Operator) -> None:
    pins = operator.file.with_suffix(".known_hosts")
    right = pins.read_text()
    lines = right.splitlines(keepends=True)
    n1 = next(at for at, line in enumerate(lines) if line.startswith("n1."))
    other = next(line for line in lines if line.startswith("n2."))
    lines[n1] = " ".join([*lines[n1].split()[:2], other.split()[2]]) + "\n"
    pins.write_text("".join(lines))
    done = operator.run("plan")
    pins.write_text(right)
    assert done.returncode == 1
    assert done.stderr.startswith("outreach: n1: its SSH host key is not the one pinned in ")
    assert done.stderr.count("\n") == 1


def test_a_host_that_is_down_is_one_line_and_the_others_are_applied(operator: Operator) -> None:
    operator.lab.power_off("n2")
    operator.file.write_text(
        operator.file.read_text().replace("dns:\n", "dns:\n  dmarc_policy: quarantine\n")
    )
    done = operator.run("apply", "--yes")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("outreach: n2: no SSH at ")
    # A record of each domain, and the orchestrator, which has the fleet file for its look at the fleet.
    assert "Apply: 7 done, 0 failed, 0 skipped" in done.stdout
