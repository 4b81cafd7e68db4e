"""Which doors of a host are open to whom: tried by a TCP connection from there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lab.proofs.scene import Disproved, Scene

KNOCK = """
for target in "$@"; do (
    set -- $target
    if timeout 3 bash -c "</dev/tcp/$1/$2" 2>/dev/null; then echo $target; fi
) & done
wait"""
"""Shell that tries many doors at once and prints the open ones: a dropped packet shows by a time-out."""


def open_doors(run: Callable[[list[str]], str], targets: Iterable[str]) -> set[str]:
    """The doors among `targets`, words 'ADDRESS PORT', that open for whoever `run` runs a command as."""
    return set(run(["sh", "-c", KNOCK, "sh", *targets]).splitlines())


def closed_to_others(scene: Scene, every: Mapping[str, str]) -> str:
    """A door of each node opens for the orchestrator alone: not for strangers, operators or other nodes.

    Args:
        scene: the stage.
        every: full name of a node -> its door.
    """
    found = open_doors(partial(scene.run, scene.orchestrator), every.values())
    if shut := set(every.values()) - found:
        raise Disproved(f"{scene.orchestrator} finds closed: {'; '.join(sorted(shut))}")
    others: dict[str, Callable[[list[str]], str]] = {
        scene.stranger: partial(scene.run, scene.stranger),
        "the operator": _here,
    }
    others |= {Scene.label(host): partial(scene.run, Scene.label(host)) for host in scene.nodes}

    def knock(who: str) -> str:
        targets = [door for host, door in every.items() if Scene.label(host) != who]
        let_in = open_doors(others[who], targets)
        return f"{who} finds open {', '.join(sorted(let_in))}" if let_in else ""

    with ThreadPoolExecutor(max_workers=len(others)) as pool:  # each waits seconds for doors that stay shut
        complaints = [complaint for complaint in pool.map(knock, others) if complaint]
    if complaints:
        raise Disproved("; ".join(complaints))
    ports = ", ".join(sorted({door.split()[1] for door in every.values()}))
    return f"{ports} open to {scene.orchestrator}, closed to {', '.join(others)}"


def _here(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
