"""The proofs that `outreach status` finds nothing wrong, and that what goes wrong is told once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploys.secrets import caller_key, root_secret
from inventory import allocate, load_fleet
from lab.proofs.scene import Disproved, Scene
from lab.proofs.tools import chat

_OF_THIS_MACHINE = ("disk", "memory")
"""The hosts share this machine's disk and memory, which are not the fleet's to keep."""

SERVICE = "rspamd"

_ASK = """import sys, urllib.request
url = "http://127.0.0.1:8025/reports/status"
asked = urllib.request.Request(url, headers={"X-API-Key": sys.argv[1]})
print(urllib.request.urlopen(asked, timeout=30).read().decode())
"""


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


def change_is_told_once(scene: Scene) -> str:
    """A service that stops is one message to the team, and in the report the orchestrator hands out.

    It is the run that a timer makes: told and published; the next one, with nothing new, tells nothing.
    """
    label = Scene.label(next(iter(scene.nodes)))
    with TemporaryDirectory() as state:
        _look(scene, state)
        scene.run(label, ["systemctl", "stop", SERVICE])
        try:
            _look(scene, state)
            _look(scene, state)
        finally:
            scene.run(label, ["systemctl", "start", SERVICE])
    told = sum(times for text, times in chat(scene).items() if _tells(text, label))
    if told != 1:
        raise Disproved(f"{label}'s {SERVICE} was stopped, and told {told} times")
    report = json.loads(scene.run(scene.orchestrator, ["python3", "-c", _ASK, _operator_key(scene)]))
    levels = [
        finding["level"]
        for finding in report["findings"]
        if finding["host"] == label and SERVICE in finding["about"]
    ]
    if "failed" not in levels:
        raise Disproved(f"/reports/status says of {label}'s {SERVICE}: {levels}")
    return f"{label} without {SERVICE}: told once; /reports/status, {report['age_seconds']:.0f} s old, has it"


def _look(scene: Scene, state: str) -> None:
    outreach = Path(sys.executable).with_name("outreach")
    command = [str(outreach), "status", "--diff", "--tell", "--publish", "--fleet", str(scene.fleet)]
    environment = {**os.environ, "XDG_STATE_HOME": state}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 2):
        raise Disproved(f"exit {done.returncode}: {done.stderr.strip()}")


def _tells(text: str, label: str) -> bool:
    return any(line.startswith(f"{label} ") and SERVICE in line for line in text.splitlines())


def _operator_key(scene: Scene) -> str:
    orchestrator = allocate(load_fleet(scene.fleet)).orchestrator
    return caller_key(root_secret(os.environ), "operator", orchestrator.fqdn)
