"""The proofs that `outreach status` finds nothing wrong, and that what goes wrong is told once."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploys.secrets import caller_key, root_secret
from inventory import allocate, load_fleet
from lab.proofs.scene import Disproved, Scene
from lab.proofs.tools import chat

_OF_THIS_MACHINE = ("disk", "memory")
"""The hosts share this machine's disk and memory, which are not the fleet's to keep."""
_OF_THE_WORLD = ("block list", "listed")
"""What no host of a lab can know."""
_CERTIFIED_SECONDS = 90.0
"""Caddy, refused while the orchestrator's name was not in DNS, asks its authority again a minute later."""

SERVICE = "rspamd"
WATCH = "outreach-status.service"
NOT_TWICE = f"/run/systemd/system/{WATCH}.d/lab.conf"
"""What changed is not looked at once more a minute later."""

_ASK = """import sys, urllib.request
url = "http://127.0.0.1:8025/reports/status"
asked = urllib.request.Request(url, headers={"X-API-Key": sys.argv[1]})
print(urllib.request.urlopen(asked, timeout=30).read().decode())
"""


def nothing_wrong(scene: Scene) -> str:
    """The command, as an operator runs it, fails nothing, and leaves nothing unknown that is the fleet's."""
    until = time.monotonic() + _CERTIFIED_SECONDS
    while True:
        report = _status(scene)
        wrong = [found for found in report["findings"] if _is_wrong(found)]
        waits = {(found["check"], found["about"]) for found in wrong} == {("certificate", "web")}
        if not waits or time.monotonic() > until:
            break
        time.sleep(5)
    if wrong:
        said = (f"{found['host']} {found['check']} {found['about']}: {found['says']}" for found in wrong)
        raise Disproved("; ".join(said))
    summary = report["summary"]
    counts = ", ".join(f"{count} {level}" for level, count in summary.items())
    return f"{len(report['hosts'])} hosts, {sum(summary.values())} checks: {counts}"


def _is_wrong(found: Mapping[str, str]) -> bool:
    apart = found["check"] in (*_OF_THIS_MACHINE, *(_OF_THE_WORLD if found["level"] == "unknown" else ()))
    return found["level"] in ("failed", "unknown") and not apart


def change_is_told_once(scene: Scene) -> str:
    """A service that stops is one message to the team, and in the report that the orchestrator hands out.

    What its timer starts does both; then an operator's own look is handed out in its place.
    """
    label = Scene.label(next(iter(scene.nodes)))
    watch(scene)
    before = _told(scene, label)
    scene.run(label, ["systemctl", "stop", SERVICE])
    try:
        watch(scene)
        watch(scene)
    finally:
        scene.run(label, ["systemctl", "start", SERVICE])
    told = _told(scene, label) - before
    if told != 1:
        raise Disproved(f"{label}'s {SERVICE} was stopped, and told {told} times")
    report = _handed_out(scene)
    if "failed" not in (levels := _levels(report, label)):
        raise Disproved(f"/reports/status says of {label}'s {SERVICE}: {levels}")
    _status(scene, "--publish")
    if "failed" in (levels := _levels(_handed_out(scene), label)):
        raise Disproved(f"after an operator's own look /reports/status says of {SERVICE}: {levels}")
    return f"{label} without {SERVICE}: told once; /reports/status, {report['age_seconds']:.0f} s old, had it"


def key_opens_nothing_else(scene: Scene) -> str:
    """Who takes the orchestrator gets a node's status, and no shell, file or way on; others get nothing."""
    host, address = next(iter(scene.nodes.items()))
    options = (
        *("-n", "-T", "-i", "/etc/outreach/status.key", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=/etc/outreach/known_hosts"),
    )

    def say(*words: str) -> str:
        tried = shlex.join(["ssh", *options, *words])
        return scene.run(scene.orchestrator, ["sh", "-c", f"timeout 30 {tried} 2>&1 || true"]).strip()

    root = f"root@{address}"
    for tried in ([root], [root, "id"], [root, "cat /etc/shadow"], [root, "{}"], ["-s", root, "sftp"]):
        said = say(*tried)
        if not said.startswith("error: ") or "\n" in said:
            raise Disproved(f"{' '.join(tried)}: {said[:200]}")
    if "SSH-2.0" in (said := say("-W", "127.0.0.1:22", root)):
        raise Disproved(f"it forwards: {said[:200]}")
    key = scene.run(scene.orchestrator, ["cat", "/etc/outreach/status.key"])
    if "Permission denied" not in (said := _log_in(key, address)):
        raise Disproved(f"from another address: {said[:200]}")
    return f"{Scene.label(host)} refuses shell, command, file transfer and forwarding; elsewhere the key"


def _status(scene: Scene, *words: str) -> dict[str, Any]:
    outreach = Path(sys.executable).with_name("outreach")
    command = [str(outreach), "status", "--json", "--fleet", str(scene.fleet), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 2):
        raise Disproved(f"exit {done.returncode}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def watch(scene: Scene) -> None:
    """Start what the timer starts, and wait for its end."""
    drop_in = "[Service]\nEnvironment=OUTREACH_STATUS_AGAIN=0\n"
    script = f'mkdir -p {Path(NOT_TWICE).parent}; printf "$1" >{NOT_TWICE}; systemctl daemon-reload'
    scene.run(scene.orchestrator, ["sh", "-euc", script, "sh", drop_in])
    try:
        scene.run(scene.orchestrator, ["systemctl", "start", WATCH])
    finally:
        scene.run(scene.orchestrator, ["sh", "-euc", f"rm {NOT_TWICE}; systemctl daemon-reload"])


def _handed_out(scene: Scene) -> dict[str, Any]:
    orchestrator = allocate(load_fleet(scene.fleet)).orchestrator
    key = caller_key(root_secret(os.environ), "operator", orchestrator.fqdn)
    found: dict[str, Any] = json.loads(scene.run(scene.orchestrator, ["python3", "-c", _ASK, key]))
    return found


def _levels(report: Mapping[str, Any], label: str) -> list[str]:
    return [
        finding["level"]
        for finding in report["findings"]
        if finding["host"] == label and SERVICE in finding["about"]
    ]


def _log_in(key: str, address: str) -> str:
    """What comes of the key where operators stand, whose own key opens every door."""
    loaded = load_pem_private_key(key.encode(), None)
    text = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with TemporaryDirectory() as folder:
        file = Path(folder, "key")
        file.touch(0o600)
        file.write_bytes(text)
        options = ("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no")
        silent = ("-o", "UserKnownHostsFile=/dev/null", "-F", "none")
        command = ["ssh", "-n", "-i", str(file), *options, *silent, f"root@{address}", "id"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def _told(scene: Scene, label: str) -> int:
    """How often the team was told of the service."""
    return sum(times for text, times in chat(scene).items() if _tells(text, label))


def _tells(text: str, label: str) -> bool:
    return any(line.startswith(f"{label} ") and SERVICE in line for line in text.splitlines())
