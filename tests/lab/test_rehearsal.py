"""The main job: `outreach rehearse`, as README says it, from nothing to proofs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def outreach(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Our command, with the lab's state where the test has it."""
    return subprocess.run(
        [Path(sys.executable).with_name("outreach"), *words],
        env={**os.environ, "OUTREACH_LAB": str(state)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.lab
def test_a_rehearsal_ends_with_every_proof_passed_and_nothing_left_to_change(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = outreach(tmp_path / "state", "rehearse", "--report", str(report), "--no-keep")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    shown = json.loads(report.read_text())
    assert done.stdout.splitlines()[-1] == f"rehearsal: {shown['passed']} checks passed, 0 failed"
    assert (shown["failed"], shown["second_apply_changes"]) == (0, 0)
    assert len(shown["checks"]) == shown["passed"] >= 18
    assert all(check["evidence"] and check["seconds"] >= 0 for check in shown["checks"])
    assert {"total", "lab", "plan", "apply", "second apply", "proofs", "cost"} == set(shown["seconds"])


@pytest.mark.lab
def test_a_broken_fleet_file_ends_a_rehearsal_before_any_host_boots(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text((ROOT / "rehearsal.yaml").read_text().replace("  count: 3", "  count: three"))
    done = outreach(tmp_path / "state", "rehearse", "--fleet", str(fleet))
    assert done.returncode == 1
    assert f"{fleet}:" in done.stderr
    assert "count" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "state").exists()
