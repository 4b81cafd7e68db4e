"""Ask nodes over their REST service as the orchestrator's own programs do: by its list of nodes, keys and CA.

This runs on the orchestrator, on nothing but Debian's python3:

    asker.py ask CALLS                a JSON list of {"node", "path", "body", "key"}; prints one of answers
    asker.py watch NODE PATH STOP     again and again until the file STOP is there; prints a summary as JSON

A body makes it a POST. A key is sent in place of the node's own, "" for none.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NODES = "/etc/outreach/nodes.json"
PAUSE = 0.02
TIMEOUT = 60
Json = dict[str, Any]


def answer(known: Json, call: Json) -> Json:
    """What one call brought: `status` (0 if there was no answer), `type`, `body`, `seconds`."""
    node = next(node for node in known["nodes"] if node["name"] == call["node"])
    body = call.get("body")
    headers = {"X-API-Key": call.get("key", node["key"])} if call.get("key") != "" else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    request = urllib.request.Request(node["url"] + call["path"], body, headers)  # noqa: S310 -- our own list's
    trusted = ssl.create_default_context(cafile=known["ca"])
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=trusted) as reply:  # noqa: S310
            seen = _seen(reply)
    except urllib.error.HTTPError as refused:
        seen = _seen(refused)
    except OSError as error:
        seen = {"status": 0, "type": "", "body": f"{type(error).__name__}: {error}"}
    return {**seen, "seconds": round(time.monotonic() - began, 3)}


def _seen(reply: Any) -> Json:
    text = reply.read().decode()
    kind = reply.headers.get_content_type()
    return {"status": reply.status, "type": kind, "body": json.loads(text) if "json" in kind else text}


def watch(known: Json, call: Json, stop: Path) -> Json:
    """Ask until told to stop: how often, which answers were no 200, the longest wait, every version seen."""
    failed: list[Json] = []
    versions: list[str] = []
    asked, slowest = 0, 0.0
    for seen in _again(known, call, stop):
        asked += 1
        slowest = max(slowest, seen["seconds"])
        if seen["status"] != 200:
            failed.append(seen)
        elif (version := str(seen["body"].get("version"))) not in versions[-1:]:
            versions.append(version)
    return {
        "asked": asked,
        "failed": failed[:5],
        "failures": len(failed),
        "slowest": slowest,
        "versions": versions,
    }


def _again(known: Json, call: Json, stop: Path) -> Iterator[Json]:
    while not stop.exists():
        yield answer(known, call)
        time.sleep(PAUSE)


def main() -> None:
    """Do what the command line says."""
    known = json.loads(Path(NODES).read_text())
    if sys.argv[1] == "ask":
        calls = json.loads(sys.argv[2])
        with ThreadPoolExecutor(max_workers=16) as pool:
            found: Any = list(pool.map(lambda call: answer(known, call), calls))
    else:
        found = watch(known, {"node": sys.argv[2], "path": sys.argv[3]}, Path(sys.argv[4]))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
