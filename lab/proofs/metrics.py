"""Proofs of the figures: all are gathered and true, nobody else reads them, and the team hears of trouble."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import quote

from lab.proofs.doors import closed_to_others, open_doors
from lab.proofs.scene import Disproved, Scene, compose, submit, wait_until
from lab.proofs.tools import chat

PORT = 9100
PROMETHEUS, ALERTMANAGER = "http://127.0.0.1:9090", "http://127.0.0.1:9093"
SENT = {"carl@receiver.example": "sent", "bounce@receiver.example": "bounced"}
_DELIVERIES = re.compile(r"outreach_mail_deliveries_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)")
_LOGGED = re.compile(r" relay=(?!\S*\[private/).* status=(sent|deferred|bounced) ")
_KEY = "/etc/prometheus/{}/host"
Figures = Counter[tuple[str, ...]]


def everything_is_gathered(scene: Scene) -> str:
    """Prometheus reaches every host's exporter, every REST service, and what is beside it."""
    hosts = {scene.orchestrator, *(Scene.label(host) for host in scene.nodes)}
    wanted = {(job, host) for job in ("host", "api") for host in hosts}
    wanted |= {("prometheus", scene.orchestrator), ("alertmanager", scene.orchestrator)}
    found: dict[tuple[str, str], str] = {}

    def all_up() -> bool:
        targets = _ask(scene, "/api/v1/targets?state=active")["activeTargets"]
        found.clear()
        for target in targets:
            labels = target["labels"]
            found[labels["job"], labels["instance"]] = target["health"] + target["lastError"]
        return wanted <= found.keys() and set(found.values()) == {"up"}

    try:
        wait_until(all_up, "every target up", seconds=60)
    except Disproved as reason:
        down = [f"{job} {host} {health}" for (job, host), health in found.items() if health != "up"]
        raise Disproved(f"{reason}: {', '.join(down) or f'only {len(found)} are asked'}") from None
    # Those two are this machine's kernel's, which tells containers less than a server.
    failing = quote('node_scrape_collector_success{collector!~"pressure|timex"} == 0')
    failed = _ask(scene, f"/api/v1/query?query={failing}")["result"]
    if lacking := [f"{row['metric']['instance']} {row['metric']['collector']}" for row in failed]:
        raise Disproved(f"an exporter cannot read: {', '.join(sorted(lacking))}")
    others = sorted({job for job, _ in found} - {job for job, _ in wanted})
    return f"{len(found)} targets up: {', '.join(sorted(hosts))}; besides: {', '.join(others) or 'none'}"


def mail_is_counted(scene: Scene) -> str:
    """What each node sent is counted by its domain and operator, once each, over a kill -9 in between."""
    before = {host: _deliveries(scene, host) for host in scene.nodes}
    for host in scene.nodes:
        sender = scene.mailboxes[host][0]
        for recipient in SENT:
            submit(sender, compose(sender.address, recipient))
        scene.run(Scene.label(host), ["systemctl", "kill", "--signal=KILL", "outreach-metrics"])
    seen = []
    for host in scene.nodes:
        domain = scene.mailboxes[host][0].domain
        wanted = {(domain, "other", result): 1 for result in SENT.values()}
        _await_count(scene, host, before[host], Counter(wanted))
        seen.append(f"{domain} by {Scene.label(host)}")
    results = " and ".join(SENT.values())
    return f"{results} once each, as in the log, counters killed meanwhile: {', '.join(seen)}"


def _await_count(scene: Scene, host: str, before: Figures, wanted: Figures) -> None:
    """Wait until a node has counted exactly that more of it, and in all as many deliveries as its log has."""
    seen = ""

    def counted() -> bool:
        nonlocal seen
        now = _deliveries(scene, host)
        totals = Counter[str]()
        for (_, _, result), count in now.items():
            totals[result] += count
        logged = _logged(scene, host)
        seen = f"{now - before} more, {totals} in all, {logged} in the log"
        more = now - before
        return all(more[key] == count for key, count in wanted.items()) and totals == logged

    try:
        wait_until(counted, f"the mail of {host} in its counters", seconds=60)
    except Disproved as reason:
        raise Disproved(f"{reason}: {seen}") from None


def _deliveries(scene: Scene, host: str) -> Figures:
    """What a node's counters say now, by domain, operator and result."""
    text = scene.run(Scene.label(host), ["sh", "-c", "cat /run/outreach-metrics/mail.prom || true"])
    found: Figures = Counter()
    for match in _DELIVERIES.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        found[labels["domain"], labels["operator"], labels["result"]] = int(float(match["count"]))
    return found


def _logged(scene: Scene, host: str) -> Counter[str]:
    """Deliveries to others in a node's log, by result."""
    log = scene.run(Scene.label(host), ["journalctl", "-q", "-o", "cat", "-u", "postfix", "-g", ": to=<"])
    return Counter(_LOGGED.findall(log))


def exporters_are_closed_to_others(scene: Scene) -> str:
    """The exporters' port opens for the orchestrator alone, and the rest listens on loopback."""
    every = {host: f"{address} {PORT}" for host, address in scene.nodes.items()}
    said = closed_to_others(scene, every)
    own = scene.run(scene.orchestrator, ["ip", "-4", "-json", "addr", "show", "scope", "global"])
    hub = json.loads(own)[0]["addr_info"][0]["local"]
    inside = [f"{hub} {port}" for port in (PORT, 9090, 9093)]
    if let_in := open_doors(partial(scene.run, scene.stranger), inside):
        raise Disproved(f"{scene.stranger} finds open {', '.join(sorted(let_in))}")
    return f"{said}; {', '.join(inside)} closed to {scene.stranger}"


def exporters_ask_for_a_certificate(scene: Scene) -> str:
    """Whoever reaches the port reads nothing without the orchestrator's own certificate."""
    seen = []
    nodes = list(scene.nodes)
    for host in nodes:
        url = f"https://{scene.nodes[host]}:{PORT}/metrics"
        if "node_time_seconds" not in _fetch(scene, scene.orchestrator, url, _KEY.format("scraper")):
            raise Disproved(f"{host} gives the orchestrator no figures")
        if said := _fetch(scene, scene.orchestrator, url, ""):
            raise Disproved(f"{host} answers without a certificate: {said[:80]}")
        # A node's own certificate is of the same authority; it is asked for on the node itself.
        label = Scene.label(host)
        if said := _fetch(scene, label, url, _KEY.format("exporter")):
            raise Disproved(f"{host} answers a node's certificate: {said[:80]}")
        seen.append(label)
    return f"figures for the orchestrator's certificate, none without one or for a node's: {', '.join(seen)}"


def _fetch(scene: Scene, place: str, url: str, pair: str) -> str:
    """What the URL gives to that certificate; nothing where it refuses."""
    certificate = ["--cert", f"{pair}.crt", "--key", f"{pair}.key"] if pair else []
    ca = "/etc/outreach/ca.crt"
    asked = ["curl", "-sS", "--max-time", "10", "--cacert", ca, *certificate, url]
    return scene.run(place, ["sh", "-c", '"$@" 2>/dev/null || true', "sh", *asked])


def alerts_reach_the_team(scene: Scene) -> str:
    """An alert given to Alertmanager is in the team's chat, one message for all hosts that it is about."""
    token = f"Rehearsal{uuid.uuid4().hex[:12]}"
    alerts = [
        {
            "labels": {"alertname": token, "severity": "critical", "instance": Scene.label(host)},
            "annotations": {"summary": f"{Scene.label(host)} <is> & tried"},
        }
        for host in scene.nodes
    ]
    posted = ["curl", "-sSf", "-H", "Content-Type: application/json", "-d", json.dumps(alerts)]
    scene.run(scene.orchestrator, [*posted, f"{ALERTMANAGER}/api/v2/alerts"])

    def told() -> list[str]:
        return [text for text in chat(scene) if token in text]

    wait_until(told, f"{token} in the chat", seconds=60)
    (text,) = told()
    if missing := [alert for alert in alerts if alert["annotations"]["summary"] not in text]:
        raise Disproved(f"the message lacks {missing[0]['annotations']['summary']}: {text}")
    return f"one message: {' / '.join(line for line in text.splitlines() if line.strip())}"


def rules_are_judged(scene: Scene) -> str:
    """Prometheus judges every rule and none fails; what they ask of hosts is there to be asked."""
    rules: list[Any] = []

    def judged() -> bool:
        groups = _ask(scene, "/api/v1/rules")["groups"]
        rules[:] = [rule for group in groups for rule in group["rules"]]
        return bool(rules) and all(rule["health"] != "unknown" for rule in rules)

    wait_until(judged, "every rule judged", seconds=90)
    if wrong := [rule for rule in rules if rule["health"] != "ok"]:
        raise Disproved(f"{wrong[0]['name']}: {wrong[0].get('lastError')}")
    running = quote('node_systemd_unit_state{name="postfix.service",state="active"} == 1')
    nodes, found = {Scene.label(host) for host in scene.nodes}, set[str]()

    def running_everywhere() -> bool:
        # A host is asked every 30 s; the last time may have been while its Postfix took up new files.
        rows = _ask(scene, f"/api/v1/query?query={running}")["result"]
        found.clear()
        found.update(row["metric"]["instance"] for row in rows)
        return found == nodes

    try:
        wait_until(running_everywhere, "Postfix running on every node", seconds=90)
    except Disproved as reason:
        raise Disproved(f"{reason}, only on {', '.join(sorted(found)) or 'no node'}") from None
    return f"{len(rules)} rules; Postfix is seen running on {', '.join(sorted(found))}"


def _ask(scene: Scene, path: str) -> Any:
    said = json.loads(
        scene.run(scene.orchestrator, ["curl", "-sSf", "--max-time", "10", f"{PROMETHEUS}{path}"])
    )
    return said["data"]
