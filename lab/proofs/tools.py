"""Proofs of the tools on the nodes: the validator and the notifier behind the REST service.

Questions come from the orchestrator, over TLS, with the list of nodes and the keys that the deploys gave it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from lab.proofs import asker
from lab.proofs.doors import closed_to_others
from lab.proofs.scene import Disproved, Scene, wait_until
from lab.proofs.sessions import all_over, polite_probes

UNITS = ("outreach-api.service", "outreach-notifier.service")
ORCHESTRATOR_UNITS = ("outreach-coordinator.service", "nats-server.service")
STARTED_UNITS = ("outreach-status.service",)
"""Run now and then, by their timers."""
EXPOSURE_LIMIT = 3.0
PORT = 8025
PROBLEM = "application/problem+json"  # RFC 9457
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")
Json = dict[str, Any]


def units_are_hardened(scene: Scene) -> str:
    """Our units run on every host, and NATS, each under the limit by systemd's own judgement."""
    seen = []
    hosts = {Scene.label(host): UNITS for host in scene.nodes}
    for label, units in {**hosts, scene.orchestrator: (*UNITS, *ORCHESTRATOR_UNITS)}.items():
        for unit in units:
            state = scene.run(label, ["sh", "-c", f"systemctl is-active {unit} || true"]).strip()
            if state != "active":
                raise Disproved(f"{label}: {unit} is {state}")
            seen.append(_exposure(scene, label, unit))
    seen += [_exposure(scene, scene.orchestrator, unit) for unit in STARTED_UNITS]
    return f"active, exposure at most {EXPOSURE_LIMIT}: {', '.join(seen)}"


def _exposure(scene: Scene, label: str, unit: str) -> str:
    said = scene.run(label, ["systemd-analyze", "security", "--no-pager", unit])
    level = _EXPOSURE.search(said)
    if level is None or float(level[1]) > EXPOSURE_LIMIT:
        raise Disproved(f"{label}: {level[0] if level else f'{unit}: {said[-200:]}'}")
    return f"{label} {unit.removesuffix('.service')} {level[1]}"


def verdicts_are_right(scene: Scene) -> str:
    """Every node tells apart what the receiving host is known to say, and ends each session with QUIT."""
    token = uuid.uuid4().hex
    expected = {
        "carl@receiver.example": "VALID",
        f"{token}@receiver.example": "MAILBOX_NOT_FOUND",
        f"{token}@catchall.example": "CATCH_ALL",
        "full@receiver.example": "FULL",
        "disabled@receiver.example": "DISABLED",
    }
    began = int(time.time())
    calls = [
        {"node": Scene.label(host), "path": "/validate", "body": {"emails": [*expected], "rate_limit": 0.1}}
        for host in scene.nodes
    ]
    for call, reply in zip(calls, _ask(scene, calls), strict=True):
        body = _body(call, reply, 200)
        seen = {result["email"]: result["verdict"] for result in body["results"]}
        if seen != expected:
            wrong = {email: seen.get(email) for email in expected if seen.get(email) != expected[email]}
            raise Disproved(f"{call['node']}: {wrong or seen}")
    sessions = ", ".join(f"{count} by {node}" for node, count in _probes(scene, began).items())
    return f"{', '.join(dict.fromkeys(expected.values()))}; sessions, each ended in QUIT: {sessions}"


def _probes(scene: Scene, since: int) -> dict[str, int]:
    """How many polite sessions each node held with the receiving host, whose own log says so."""
    journal = ["journalctl", "-o", "cat", "-t", "postfix/smtpd", f"--since=@{since}"]
    log = ""

    def over() -> bool:
        nonlocal log
        log = scene.run(scene.receiver, journal)
        return all(all_over(log, address) for address in scene.nodes.values())

    wait_until(over, "the end of the nodes' sessions in the receiving host's log")
    return {Scene.label(host): polite_probes(log, address) for host, address in scene.nodes.items()}


def messages_reach_the_team(scene: Scene) -> str:
    """What is given to a node's /telegram/send is in the team's chat."""
    texts = {
        Scene.label(host): f"Rehearsal of {Scene.label(host)} {uuid.uuid4().hex}" for host in scene.nodes
    }
    calls = [
        {"node": node, "path": "/telegram/send", "body": {"message": text}} for node, text in texts.items()
    ]
    for call, reply in zip(calls, _ask(scene, calls), strict=True):
        _body(call, reply, 200, 202)  # queued is safe too; what counts is the chat
    wanted = set(texts.values())

    def arrived() -> bool:
        return wanted <= chat(scene).keys()

    wait_until(arrived, "each node's message in the chat", seconds=60)
    if repeated := [text for text, times in chat(scene).items() if text in wanted and times > 1]:
        raise Disproved(f"came twice: {repeated[0]}")
    return f"in the chat, once each: {', '.join(texts)}"


def chat(scene: Scene) -> Counter[str]:
    """Every text in the team's chat, and how often it came."""
    state = requests.get(f"{scene.telegram}/_lab/state", timeout=10).json()
    return Counter(str(message.get("text")) for message in state.get("message", []))


def service_is_closed_to_others(scene: Scene) -> str:
    """The service's port opens for the orchestrator alone: not for strangers, operators or other nodes."""
    every = {host: f"{address} {PORT}" for host, address in scene.nodes.items()}
    return closed_to_others(scene, every)


def keys_are_asked_for(scene: Scene) -> str:
    """Without a key, with a wrong one or another node's key nothing is done: 401 and a problem body."""
    nodes = [Scene.label(host) for host in scene.nodes]
    keys = {
        node["name"]: node["key"]
        for node in json.loads(scene.run(scene.orchestrator, ["cat", asker.NODES]))["nodes"]
    }
    tries = []
    for position, node in enumerate(nodes):
        neighbour = nodes[position - 1] if len(nodes) > 1 else ""
        wrong = ["", "0" * 64, keys[node][:-1], *([keys[neighbour]] if neighbour else [])]
        for path, body in (
            ("/validate", {"emails": ["carl@receiver.example"]}),
            ("/telegram/send", {"message": "x"}),
        ):
            tries += [{"node": node, "path": path, "body": body, "key": key} for key in wrong]
    for call, reply in zip(tries, _ask(scene, tries), strict=True):
        _body(call, reply, 401)
        if reply["type"] != PROBLEM:
            raise Disproved(f"{call['node']}{call['path']} answered 401 as {reply['type']}")
    healthy = [{"node": node, "path": "/health", "key": ""} for node in nodes]
    for call, reply in zip(healthy, _ask(scene, healthy), strict=True):
        _body(call, reply, 200)
    return f"401 for none, a wrong, a cut and a neighbour's key on {', '.join(nodes)}; /health needs none"


def _ask(scene: Scene, calls: Sequence[Mapping[str, Any]]) -> list[Json]:
    said = scene.run(scene.orchestrator, asking("ask", json.dumps(calls)))
    answers: list[Json] = json.loads(said)
    return answers


def asking(*words: str) -> list[str]:
    """The command that asks nodes, as the user whose programs do so on the orchestrator."""
    source = Path(asker.__file__).read_text()
    return ["runuser", "-u", "outreach", "--", "python3", "-c", source, *words]


def _body(call: Mapping[str, Any], reply: Json, *statuses: int) -> Json:
    if reply["status"] not in statuses:
        raise Disproved(f"{call['node']}{call['path']} answered {reply['status']} {str(reply['body'])[:300]}")
    body: Json = reply["body"]
    return body
