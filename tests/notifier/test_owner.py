"""Dead senders are told from living ones by the kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from notifier.owner import Owner, is_dead

HOLD = """
import sys, time
from pathlib import Path
from notifier.owner import Owner
owner = Owner(Path(sys.argv[1]))
print(owner.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    path = tmp_path / "outbox.sqlite3"
    path.touch()
    return path


def test_a_sender_lives_until_it_is_killed_even_while_it_stands_still(outbox: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, outbox], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    try:
        assert not is_dead(outbox, name)
        process.send_signal(signal.SIGSTOP)
        assert not is_dead(outbox, name)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert is_dead(outbox, name)
    assert list(outbox.parent.iterdir()) == [outbox], "its lock is cleared away"


def test_a_sender_that_closed_is_dead_and_leaves_nothing(outbox: Path) -> None:
    owner = Owner(outbox)
    assert not is_dead(outbox, owner.name)
    owner.close()
    assert is_dead(outbox, owner.name)
    assert list(outbox.parent.iterdir()) == [outbox]


@pytest.mark.root
def test_roots_lock_belongs_to_the_outboxs_user(outbox: Path) -> None:
    os.chown(outbox, 65534, 65534)
    owner = Owner(outbox)
    (lock,) = set(outbox.parent.iterdir()) - {outbox}
    assert lock.stat().st_uid == 65534
    owner.close()
