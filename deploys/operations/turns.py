"""Hosts one at a time, until the first failure: for what must not go wrong on all of them at once.

Hosts go through their operations in parallel; inside a command of one operation they can take turns. That
holds for `outreach apply` and for `pyinfra` alike: both run all hosts in one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.state import State

from deploys.operations.ledger import failed

_GUARD = threading.Lock()


class _Turns:
    """Of one run, for one thing."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stopped_by: str | None = None


_RUNS: WeakKeyDictionary[State, dict[str, _Turns]] = WeakKeyDictionary()


def in_turn(what: str, act: Callable[[State, Host], bool]) -> Callable[[State, Host], bool]:
    """A command that waits for its host's turn; after a failure no other host gets one.

    Args:
        what: named in the line of those that get no turn.
        act: the command.
    """

    def wait(state: State, host: Host) -> bool:
        with _GUARD:
            turns = _RUNS.setdefault(state, {}).setdefault(what, _Turns())
        with turns.lock:
            if turns.stopped_by is not None:
                why = f"{turns.stopped_by} failed; mend that and run it again"
                return failed(state, host, f"{what}: left as it was, since {why}")
            turns.stopped_by = host.name  # stands if `act` raises
            if act(state, host):
                turns.stopped_by = None
                return True
            return False

    return wait
