"""How throughput grows with nodes, when a node's budget, not a processor, is what holds it back."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.engine.field import ADDRESSES, OPERATORS, Field

RATE = float(os.environ.get("ENGINE_RATE", "600"))
"""Recipients a minute of 12 operators each: 120 addresses a second a node. On a busy machine set
it lower, or the processor is what holds three nodes back."""

ROUNDS = int(os.environ.get("ENGINE_ROUNDS", "3"))
NODES = (1, 2, 3)
PROMISED = 2.7


def scale(folder: Path) -> dict[str, Any]:
    """The same list over 1, 2 and 3 nodes in turns."""
    seconds: dict[int, list[float]] = {nodes: [] for nodes in NODES}
    with Field(folder, max(NODES), RATE) as field:
        before, began = os.times(), time.monotonic()
        for number in range(ROUNDS):
            for nodes in NODES if number % 2 == 0 else NODES[::-1]:
                seconds[nodes].append(asyncio.run(_run(field, nodes)))
        after, wall = os.times(), time.monotonic() - began
    middle = {nodes: median(values) for nodes, values in seconds.items()}
    used = sum(after[:4]) - sum(before[:4])
    return {
        "addresses": ADDRESSES,
        "seconds": {nodes: [round(value, 1) for value in values] for nodes, values in seconds.items()},
        "of_the_budget": {
            nodes: round(ADDRESSES / value / (nodes * OPERATORS * RATE / 60), 2)
            for nodes, value in middle.items()
        },
        "times": {nodes: round(middle[1] / value, 2) for nodes, value in middle.items()},
        "processors_used": round(used / wall, 2),
        "load": round(os.getloadavg()[0], 1),
        "kept": middle[1] / middle[3] >= PROMISED,
    }


async def _run(field: Field, nodes: int) -> float:
    """Seconds from the job's acceptance to its end."""
    with field.army(nodes):
        await field.awake(nodes)
        job = await field.submit()
        began = time.monotonic()
        return await field.until(job, lambda job: job.state.over) - began
