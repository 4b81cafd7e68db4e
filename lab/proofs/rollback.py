"""Proof that a release which cannot run does no harm: the node goes back, and nobody notices."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.proofs.scene import Disproved, Scene, wait_until
from lab.proofs.tools import asking, chat

CHECKOUT = Path(__file__).parents[2]
CURRENT = "/opt/outreach/current"
WORDS = "this release was broken on purpose"
_NOTHING_TO_DO = 0
_LEAST_QUESTIONS = 20
_LONGEST = 600.0  # seconds for a push and its way back
_FAILED = re.compile(r"\W*deploy of fleet \S+ failed$", re.MULTILINE)
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "tests", "benchmarks", "docs")
_ENTRY = re.compile(r'^outreach-api = "([\w.]+):(\w+)"$', re.MULTILINE)
_BROKEN = """
import sys

from {module} import {function} as whole


def main() -> None:
    if "serve" in sys.argv:
        sys.exit("{words}")
    whole()
"""


def break_release(checkout: Path, into: Path) -> None:
    """Copy a checkout, changed in one thing: its service ends as soon as it is to serve."""
    copy_checkout(checkout, into)
    project = into / "pyproject.toml"
    text = project.read_text("utf-8")
    entry = _ENTRY.search(text)
    if entry is None:
        raise Disproved(f"{project} names no command outreach-api")
    project.write_text(text.replace(entry[0], 'outreach-api = "api.broken:main"'), "utf-8")
    broken = _BROKEN.format(module=entry[1], function=entry[2], words=WORDS)
    (into / "api/broken.py").write_text(broken, "utf-8")


def copy_checkout(checkout: Path, into: Path) -> None:
    """Copy of a checkout what `outreach apply` needs."""
    shutil.copytree(checkout, into, ignore=_LEFT_OUT, dirs_exist_ok=True)


def broken_release_rolls_back(scene: Scene) -> str:
    """A release whose service dies at start is pushed to a node that is asked all the time: no call fails."""
    label = Scene.label(next(iter(scene.nodes)))
    before, told = scene.run(label, ["readlink", CURRENT]).strip(), chat(scene)
    with tempfile.TemporaryDirectory() as folder:
        break_release(CHECKOUT, Path(folder))
        with _asked_meanwhile(scene, label) as watch:
            pushed = outreach(scene, Path(folder), "apply", "--only", "nodes", "--limit", label, "--yes")
    seen = watch.result()
    if pushed.returncode != 1:
        raise Disproved(f"the apply that pushed it ended with {pushed.returncode}: {pushed.stderr[-300:]}")
    said = scene.run(label, ["journalctl", "-o", "cat", "-u", "outreach-api.service", "--no-pager"])
    if WORDS not in said:
        raise Disproved(f"it never ran on {label}: {pushed.stderr[-300:]}")
    if (after := scene.run(label, ["readlink", CURRENT]).strip()) != before:
        raise Disproved(f"{label} is left with {after}, and had {before}")
    if seen["failures"] or seen["asked"] < _LEAST_QUESTIONS or len(seen["versions"]) != 1:
        raise Disproved(f"{label} was asked meanwhile: {seen}")
    wait_until(
        lambda: any(_FAILED.match(text) for text in chat(scene) - told), "word of it in the team's chat"
    )
    nothing_left_to_change(scene)
    return (
        f"{label} went back to {before}; {seen['asked']} questions meanwhile, none failed, the longest took"
        f" {seen['slowest']:.1f} s; the team was told; the next plan is empty"
    )


def nothing_left_to_change(scene: Scene) -> None:
    """The next plan of this checkout is empty.

    Raises:
        Disproved: it is not.
    """
    planned = outreach(scene, CHECKOUT, "plan")
    if planned.returncode != _NOTHING_TO_DO:
        raise Disproved(f"the next plan is not empty: {planned.stdout[-300:]} {planned.stderr[-300:]}")


@contextmanager
def _asked_meanwhile(scene: Scene, node: str) -> Iterator[Future[dict[str, Any]]]:
    """Have the orchestrator ask a node for its health all the time."""
    stop = f"/run/{uuid.uuid4().hex}"
    command = asking("watch", node, "/health", stop)
    with ThreadPoolExecutor(max_workers=1) as pool:
        watch = pool.submit(lambda: json.loads(scene.run(scene.orchestrator, command, timeout=_LONGEST)))
        try:
            yield watch
        finally:
            scene.run(scene.orchestrator, ["touch", stop])
    scene.run(scene.orchestrator, ["rm", stop])


def outreach(scene: Scene, checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a checkout, as an operator does who works there."""
    return subprocess.run(
        [sys.executable, "-c", "from cli import main; main()", *words, "--fleet", str(scene.fleet)],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
