"""Proofs of the engine on the fleet: lists handed in at the orchestrator, carried by nodes, and not lost."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.proofs import intruder
from lab.proofs.scene import Disproved, Scene, wait_until

SERVICE = "http://127.0.0.1:8025"
PYTHON = "/opt/outreach/current/bin/python"
"""The release's, on every host."""
UNITS = ("nats-server.service", "outreach-coordinator.service", "outreach-api.service")
MOST_MEMORY = 400
"""MiB that the orchestrator's three may hold together after the fleet has been at work."""
_UNKNOWN = 24
"""Invented addresses in a list: with the others three chunks, the least that three nodes can share."""


def known_answers() -> dict[str, str]:
    """Addresses, and what the receiving host is known to say of each."""
    token = uuid.uuid4().hex[:12]
    return {
        "carl@receiver.example": "VALID",
        f"{token}@catchall.example": "CATCH_ALL",
        "full@receiver.example": "FULL",
        "disabled@receiver.example": "DISABLED",
        "no address": "INVALID_SYNTAX",
        **{f"{token}-{number}@receiver.example": "MAILBOX_NOT_FOUND" for number in range(_UNKNOWN)},
    }


def list_is_carried(scene: Scene) -> str:
    """A list handed in with `outreach validate bulk`, as an operator does, is carried by several nodes."""
    expected = known_answers()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "list.txt"), Path(folder, "checked.csv")
        source.write_text("".join(f"{address}\n" for address in expected))
        outreach = Path(sys.executable).with_name("outreach")
        words: list[str | Path] = ["validate", "bulk", source, "-o", target, "--ordered"]
        command = [outreach, *words, "--fleet", scene.fleet]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise Disproved(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
        rows = list(csv.DictReader(target.open()))
    if [row["email"] for row in rows] != list(expected):
        raise Disproved(f"{len(rows)} rows for a list of {len(expected)}, or in another order")
    right({row["email"]: row["status"] for row in rows}, expected)
    names = {address: Scene.label(host) for host, address in scene.nodes.items()}
    shares = Counter(names.get(row["source_ip"], row["source_ip"]) for row in rows if row["source_ip"])
    if len(shares) < 2 or not shares.keys() <= set(names.values()):
        raise Disproved(f"asked by {dict(shares)}, and not by several nodes")
    asked = ", ".join(f"{count} by {node}" for node, count in sorted(shares.items()))
    return f"{len(rows)} rows in order, {', '.join(dict.fromkeys(expected.values()))}; asked: {asked}"


def short_list_is_answered(scene: Scene) -> str:
    """`POST /validate` at the orchestrator, which may not ask itself, is answered by the nodes."""
    expected = dict(list(known_answers().items())[:6])
    began = time.monotonic()
    answer = call(scene, "/validate", json.dumps({"emails": [*expected]}))
    right({row["email"]: row["verdict"] for row in answer["results"]}, expected)
    asked = {row["source_ip"] for row in answer["results"]} - {None}
    if not asked or not asked <= set(scene.nodes.values()):
        raise Disproved(f"asked from {asked}, which are not the nodes")
    return f"{len(expected)} verdicts in {time.monotonic() - began:.1f} s, asked from {', '.join(asked)}"


def identities_are_bound(scene: Scene) -> str:
    """A node's identity is refused whatever is another's, and a stranger's is refused everything."""
    node, other = [Scene.label(host) for host in scene.nodes][:2]
    command = [PYTHON, "-c", Path(intruder.__file__).read_text(), node, other]
    found = json.loads(scene.run(node, command))
    if (
        found["wrongly allowed"]
        or found["wrongly refused"]
        or "authorization" not in found["stranger"].lower()
    ):
        raise Disproved(f"{node}: {found}")
    return f"{node} was refused {', '.join(found['refused'])}; an unknown key: {found['stranger']}"


def nothing_is_lost(scene: Scene) -> str:
    """A node's process killed, NATS and PostgreSQL restarted in mid-job: each row has one right verdict."""
    expected = known_answers()
    job = hand_in(scene, expected)

    def first() -> str:
        """The node that has asked, and has more in hand."""
        sources = [row["source_ip"] for row in results(scene, job) if row["source_ip"]]
        return sources[-1] if sources else ""

    wait_until(first, "a first verdict", seconds=60)
    killed = {address: Scene.label(host) for host, address in scene.nodes.items()}[first()]
    began = time.monotonic()
    scene.run(killed, ["systemctl", "kill", "-s", "KILL", "outreach-api.service"])
    scene.run(scene.orchestrator, ["systemctl", "restart", "nats-server", "postgresql@17-main"])
    state: dict[str, Any] = {}

    def over() -> bool:
        nonlocal state
        state = call(scene, f"/jobs/{job}", refused={})
        return state.get("state") == "DONE"

    wait_until(over, f"the end of job {job}", seconds=180)
    rows = results(scene, job)
    if sorted(row["row"] for row in rows) != list(range(1, len(expected) + 1)):
        raise Disproved(f"{len(rows)} verdicts for {len(expected)} rows: {state}")
    right({row["email"]: row["verdict"] for row in rows}, expected)
    return (
        f"{killed} killed, NATS and PostgreSQL restarted in mid-job: {len(rows)} rows with one right verdict"
        f" each, {time.monotonic() - began:.0f} s later"
    )


def engine_is_small(scene: Scene) -> str:
    """What the engine's processes hold in the orchestrator's memory after all this."""
    held = {}
    for unit in UNITS:
        look = f"grep VmRSS /proc/$(systemctl show -p MainPID --value {unit})/status"
        said = scene.run(scene.orchestrator, ["sh", "-c", look])
        held[unit.removesuffix(".service")] = int(said.split()[1]) >> 10
    if sum(held.values()) > MOST_MEMORY:
        raise Disproved(f"{held} MiB, more than {MOST_MEMORY}")
    return f"{sum(held.values())} MiB: {', '.join(f'{name} {size}' for name, size in held.items())}"


def right(seen: dict[str, str], expected: dict[str, str]) -> None:
    """Every address has the verdict that is known to be right, and there is no other.

    Raises:
        Disproved: naming what is wrong.
    """
    wrong = {email: seen.get(email) for email in expected if seen.get(email) != expected[email]}
    if wrong or len(seen) != len(expected):
        raise Disproved(f"wrong: {wrong or seen}")


def call(
    scene: Scene,
    path: str,
    body: str = "",
    kind: str = "application/json",
    refused: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Ask the orchestrator's service as n8n does; `refused` is the answer if there is none just now."""
    said = _curl(scene, path, body, kind)
    text, _, status = said.rpartition("\n")
    if status.startswith("2"):
        found: dict[str, Any] = json.loads(text)
        return found
    if refused is None:
        raise Disproved(f"{path} answered {status} {text[:300]}")
    return refused


def hand_in(scene: Scene, addresses: Iterable[str]) -> str:
    """Give a list to the fleet; the job's id."""
    body = "".join(f"{address}\n" for address in addresses)
    return str(call(scene, "/jobs", body, "text/plain")["id"])


def results(scene: Scene, job: str) -> list[dict[str, Any]]:
    """A job's verdicts so far."""
    text, _, _ = _curl(scene, f"/jobs/{job}/results", "", "").rpartition("\n")
    return [json.loads(line) for line in text.splitlines()]


def _curl(scene: Scene, path: str, body: str, kind: str) -> str:
    words = ["-H", f"Content-Type: {kind}", "--data-binary", body] if body else []
    command = ["curl", "-s", "-m", "150", "-w", "\n%{http_code}", "-H", f"X-API-Key: {scene.key}", *words]
    return scene.run(
        scene.orchestrator, ["sh", "-c", '"$@" || true', "sh", *command, SERVICE + path], timeout=180
    )
