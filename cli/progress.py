"""How a running plan or apply shows itself: a line that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from deploys.apply import Outcome, Status
from deploys.plan import Kind, Plan
from deploys.saved import dump
from inventory import Allocation

STEPS = {
    "server": (Kind.SERVER, Kind.SSH_KEY, Kind.FIREWALL),
    "PTR": (Kind.PTR,),
    "DNS": (Kind.ZONE, Kind.RECORD),
    "node": (Kind.NODE,),
}
"""Columns of the final table, and the kinds of changes each sums up."""


class Progress:
    """Progress on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While providers and hosts are read; nothing is shown off a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("reading providers and hosts"):
            yield

    @contextmanager
    def applying(self, total: int) -> Iterator[Callable[[Outcome | str], None]]:
        """While changes are carried out; gives what is to be told of each."""
        done = 0
        with self._console.status(f"0 of {total} changes") as status:

            def tell(what: Outcome | str) -> None:
                nonlocal done
                with self._lock:
                    if isinstance(what, str):
                        self._console.print(what, markup=False, soft_wrap=True)
                        return
                    done += 1
                    status.update(f"{done} of {total} changes")
                    # Records come by the hundred, and are told of by zone.
                    if what.change.kind not in (Kind.ZONE, Kind.RECORD):
                        line = f"{what.status} {what.change}"
                        self._console.print(line, markup=False, soft_wrap=True)

            yield tell


def host_table(allocation: Allocation, outcomes: Sequence[Outcome]) -> None:
    """Print what became of each host, and of what all hosts share."""
    hosts = [server.name for server in allocation.servers]
    gone = {host for outcome in outcomes for host in outcome.change.hosts} - set(hosts)
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for column in ("host", *STEPS, "why"):
        table.add_column(column, overflow="fold")
    for host in (*hosts, *sorted(gone), ""):
        concerned = [
            outcome
            for outcome in outcomes
            if (host in outcome.change.hosts if host else not outcome.change.hosts)
        ]
        if not concerned:
            continue
        cells = [_cell(concerned, kinds) for kinds in STEPS.values()]
        reasons = dict.fromkeys(outcome.reason for outcome in concerned if outcome.reason)
        table.add_row(host or "(fleet)", *cells, next(iter(reasons), ""))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(table)
    counts = ", ".join(f"{_count(outcomes, status)} {status}" for status in Status)
    console.print(f"Apply: {counts}")


def _cell(outcomes: Sequence[Outcome], kinds: Sequence[Kind]) -> str:
    found = [outcome for outcome in outcomes if outcome.change.kind in kinds]
    for status in (Status.FAILED, Status.SKIPPED):
        if count := _count(found, status):
            return str(status) if len(found) == 1 else f"{count} of {len(found)} {status}"
    return "" if not found else str(Status.DONE) if len(found) == 1 else f"{len(found)} {Status.DONE}"


def _count(outcomes: Sequence[Outcome], status: Status) -> int:
    return sum(outcome.status is status for outcome in outcomes)


def report(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What an apply did, as JSON values: described in `docs/plan-format.md`."""
    return {
        "version": 1,
        "plan": dump(plan),
        **{str(status): _count(outcomes, status) for status in Status},
        "outcomes": [
            {
                "action": str(outcome.change.action),
                "kind": str(outcome.change.kind),
                "object": outcome.change.object,
                "hosts": list(outcome.change.hosts),
                "status": str(outcome.status),
                "reason": outcome.reason,
                "made": list(outcome.made),
            }
            for outcome in outcomes
        ],
    }
