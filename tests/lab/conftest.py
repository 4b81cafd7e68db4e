"""One lab for the tests that only use one, and the means to see what a lab leaves on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Lab
from lab.cgroup import hierarchy


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that is up; beside the one of this checkout, which it leaves alone."""
    one = Lab(tmp_path_factory.mktemp("lab") / "state")
    one.up()
    yield one
    one.down()


@pytest.fixture
def new_lab(tmp_path: Path) -> Iterator[Callable[[str], Lab]]:
    """Makes labs that are not up, by name; whatever a test leaves of them is cleared."""
    made: list[Lab] = []

    def make(name: str) -> Lab:
        made.append(Lab(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.down()


@pytest.fixture
def ssh_key(lab: Lab) -> str:
    """The public key of the shared lab."""
    return (lab.state / "ssh/id_ed25519.pub").read_text().strip()


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.01)


def settled(lab: Lab, host: str) -> bool:
    """Whether everything that starts at boot has started on a host."""
    asked = lab.run(host, ["systemctl", "is-system-running", "--wait"], check=False)
    return asked.stdout.strip() == "running"


def traces(lab: Lab) -> list[str]:
    """Everything on this machine that names a lab: processes, mounts, namespaces, control groups, files."""
    marks = (lab.id, str(lab.state))
    directories = [Path("/run/netns"), hierarchy(), *Path("/run/systemd/nspawn").glob("*")]
    names = [str(path) for directory in directories if directory.exists() for path in directory.iterdir()]
    names += Path("/proc/self/mounts").read_text().splitlines()
    names += [str(lab.state)] if lab.state.exists() else []
    found = [name for name in names if any(mark in name for mark in marks)]
    return found + [f"pid {pid}" for pid, words in _processes() if any(mark in words for mark in marks)]


def _processes() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                yield entry.name, (entry / "cmdline").read_text(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
