"""What holds for the `outreach` command as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli import COMMANDS, app


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


def test_the_first_page_of_help_says_what_each_command_does_and_loads_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = set(sys.modules)
    app(["--help"], result_action="return_value")
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"│ {name} " in shown
        assert " ".join(command.does.split()[:3]) in shown
        assert command.where.partition(":")[0] not in set(sys.modules) - loaded
