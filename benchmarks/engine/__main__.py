"""`python -m benchmarks.engine WHAT...`, as root.

    accept   1,000,000 addresses into PostgreSQL: seconds, and what the accepting process grows by
    upload   the same over HTTP, with POST /jobs to the service as the orchestrator has it
    scale    20,000 addresses over 1, 2 and 3 nodes in turns: how many times as fast
    faults   20,000 addresses over 3 nodes with one killed, one cut off from the network for 60 s, NATS and
             PostgreSQL killed in mid-job: verdicts an address
    size     subjects, consumers, storage and rates at 3, 8, 100 and 700 nodes against what is borne: computed
    crowd    700 connections that each ask for work of every queue: verdicts a second through NATS, the
             coordinator and PostgreSQL, with nothing else to do

Each prints a JSON line; the exit status is 1 if a promise was missed. Nodes have network namespaces, so
addresses of their own, and are held back by their budgets, as in a fleet, not by the processor that all of
them share here.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.engine.accept import accept
from benchmarks.engine.crowd import crowd
from benchmarks.engine.faults import faults
from benchmarks.engine.scale import scale
from benchmarks.engine.size import size
from benchmarks.engine.upload import upload


def main() -> None:
    """Run what is named, or everything."""
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "accept": accept,
        "upload": upload,
        "scale": scale,
        "faults": faults,
        "size": size,
        "crowd": crowd,
    }
    kept = True
    for name in sys.argv[1:] or list(parts):
        with tempfile.TemporaryDirectory(prefix="engine-") as text:
            folder = Path(text)
            folder.chmod(0o755)  # PostgreSQL runs as another user
            found = parts[name](folder)
        print(json.dumps({"what": name, **found}), flush=True)
        kept = kept and bool(found["kept"])
    sys.exit(not kept)


if __name__ == "__main__":
    main()
