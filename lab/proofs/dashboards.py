"""Proof that the dashboards have something to show: a real Prometheus answers every query of theirs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lab.proofs.scene import Disproved, Scene

FOLDER = Path(__file__).parents[2] / "templates/grafana/dashboards"
# Runs on the orchestrator: a query an argument, its number of series a line; -1 and why where it is refused.
_ASK = """
import json, sys, urllib.error, urllib.parse, urllib.request
for query in sys.argv[1:]:
    data = urllib.parse.urlencode({"query": query}).encode()
    try:
        answer = json.load(urllib.request.urlopen("http://127.0.0.1:9090/api/v1/query", data, timeout=20))
        print(len(answer["data"]["result"]))
    except urllib.error.HTTPError as error:
        print(-1, json.load(error).get("error"))
"""


def queries(board: dict[str, Any], instance: str) -> list[str]:
    """Every query of a dashboard, with Grafana's variables filled in as for one host and everything else."""
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [_filled(query, instance) for query in found]


def _filled(query: str, instance: str) -> str:
    query = query.replace("$__rate_interval", "2m").replace("$__range", "6h")
    query = re.sub(r"\$\{?instance\b\}?", instance, query)
    return re.sub(r"\$\{?[a-z]\w*\}?", ".*", query)


def dashboards_have_figures(scene: Scene) -> str:
    """No query of a dashboard is refused, and most have something to show already."""
    node = Scene.label(next(iter(scene.nodes)))
    asked = {
        path.stem: queries(json.loads(path.read_text("utf-8")), node)
        for path in sorted(FOLDER.glob("*.json"))
    }
    every = [query for board in asked.values() for query in board]
    answers = scene.run(scene.orchestrator, ["python3", "-I", "-c", _ASK, *every]).splitlines()
    refused = [answer for answer in zip(every, answers, strict=True) if answer[1].startswith("-1")]
    if refused:
        raise Disproved(f"{refused[0][0]}: {refused[0][1]}")
    empty = [query for query, answer in zip(every, answers, strict=True) if answer == "0"]
    if len(empty) > len(every) // 3:
        raise Disproved(f"{len(empty)} of {len(every)} queries have nothing to show: {empty[0]}")
    return f"{', '.join(asked)}: {len(every)} queries, {len(every) - len(empty)} with figures"
