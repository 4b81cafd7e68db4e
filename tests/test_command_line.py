"""What holds for the `outreach` command as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "words", [["plan", "--nope"], ["fleet", "chek"], ["apply", "--plan"], ["frobnicate"]]
)
def test_words_that_mean_nothing_end_with_1_because_2_means_changes_pending(words: list[str]) -> None:
    command = Path(sys.executable).with_name("outreach")
    done = subprocess.run([command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words[-1].lstrip("-") in done.stdout + done.stderr


def test_a_plan_that_reaches_for_no_host_does_not_wait_for_pyinfra() -> None:
    code = "import sys, cli.provision; sys.exit('pyinfra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
