"""docs/costs.md shows what its commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from costs.holdings import Holdings
from costs.pricebook import PriceBook
from costs.report.model import report
from costs.report.write import to_json
from tests.costs.conftest import FLEET, ROOT

BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "costs.md").read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:50])
def test_each_command_of_the_guide_prints_what_is_shown(
    block: str, fleet: Holdings, seed: PriceBook, tmp_path: Path
) -> None:
    (tmp_path / "agreed.json").write_text(to_json(report(fleet, seed)), "utf-8")
    script = "\n".join(line[2:] for line in block.splitlines() if line.startswith("$ "))
    shown = "".join(line + "\n" for line in block.splitlines() if not line.startswith("$ "))
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OUTREACH_FLEET": str(FLEET),
        "COLUMNS": "80",
    }
    run = subprocess.run(
        ["sh", "-c", f"exec 2>&1\n{script}"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == shown
