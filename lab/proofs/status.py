"""The proof that `outreach status` finds nothing wrong with a fleet that has just been applied."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from lab.proofs.scene import Disproved, Scene

_OF_THIS_MACHINE = ("disk", "memory")
"""The hosts share this machine's disk and memory, which are not the fleet's to keep."""


def nothing_wrong(scene: Scene) -> str:
    """The command, run as an operator runs it, fails nothing.

    What no host of a lab can know, such as the block lists of the world, it may call unknown.
    """
    outreach = Path(sys.executable).with_name("outreach")
    command = [str(outreach), "status", "--json", "--fleet", str(scene.fleet)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 2):
        raise Disproved(f"exit {done.returncode}: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    wrong = [
        f"{found['host']} {found['check']} {found['about']}: {found['says']}"
        for found in report["findings"]
        if found["check"] not in _OF_THIS_MACHINE
        and (found["level"] == "failed" or (found["level"], found["weight"]) == ("unknown", "required"))
    ]
    if wrong:
        raise Disproved("; ".join(wrong))
    summary = report["summary"]
    counts = ", ".join(f"{count} {level}" for level, count in summary.items())
    return f"{len(report['hosts'])} hosts, {sum(summary.values())} checks: {counts}"
