"""What waits in Postfix's queues, by its own word: ``postqueue -j``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

QUEUES = ("incoming", "active", "deferred", "hold")
COMMAND = ("postqueue", "-j")
SECONDS = 60
"""showq reads every message's file: a queue of 100,000 takes a while."""


@dataclass(frozen=True)
class Queue:
    """Messages by queue, and the age of the oldest of all in seconds."""

    messages: dict[str, int]
    oldest: float


def count(lines: Iterable[str], now: float) -> Queue:
    """Count what ``postqueue -j`` prints: one JSON object a message (postqueue(1)).

    Args:
        lines: its output.
        now: seconds since 1970.

    Raises:
        ValueError: a line is something else.
    """
    messages = dict.fromkeys(QUEUES, 0)
    oldest = now
    for line in lines:
        message = json.loads(line)
        try:
            arrived, name = float(message["arrival_time"]), message["queue_name"]
        except (KeyError, TypeError):
            raise ValueError(f"no message of a queue: {line[:80]}") from None
        # Others, as `corrupt`, are no mail that waits.
        if name in messages:
            messages[name] += 1
            oldest = min(oldest, arrived)
    return Queue(messages, max(0.0, now - oldest))


def ask(now: float) -> Queue | None:
    """Ask Postfix; None where it does not answer."""
    try:
        said = subprocess.run(COMMAND, capture_output=True, text=True, timeout=SECONDS, check=True)
        return count(said.stdout.splitlines(), now)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
