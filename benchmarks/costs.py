"""How long the costs room takes: medians of runs, on the shipped fleet.

    .venv/bin/python -m benchmarks.costs [RUNS]

Budgets: a million accounts in under 1 s, the cheapest fleet for 100,000 accounts in under 2 s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter

from costs.audit import audit
from costs.holdings import Holdings
from costs.optimise import optimise
from costs.pricebook import PriceBook
from costs.report.model import report
from costs.report.write import files
from costs.scaling import scaling, staircase
from inventory import allocate, load_fleet

ROOT = Path(__file__).parents[1]


def main(runs: int) -> None:
    """Time each case and print its median, with the fastest and the slowest run."""
    fleet = Holdings.of(allocate(load_fleet(ROOT / "fleet.yaml", {})))
    seed, current = PriceBook.load("seed"), PriceBook.load("current")
    made = report(fleet, seed)
    stairs = staircase(fleet, seed)
    cases: dict[str, tuple[Callable[[], object], float | None]] = {
        "read a price book": (lambda: PriceBook.load("current"), None),
        "scale to 1,000,000 accounts, curve and saving": (lambda: scaling(fleet, seed, 1_000_000), 1),
        "the same at today's prices": (lambda: scaling(fleet, current, 1_000_000), 1),
        "cheapest fleet for 100,000 accounts": (lambda: optimise(fleet, current, 100_000), 2),
        "cheapest fleet for 1,000,000 accounts": (lambda: optimise(fleet, current, 1_000_000), None),
        "audit": (audit, None),
        "report, computed": (lambda: report(fleet, seed), None),
        "report, every file": (lambda: files(made, stairs, date(2026, 12, 1)), None),
    }
    print(f"{'median of ' + str(runs):>46}  {'seconds':>8}  {'least':>7}  {'most':>7}  budget")
    for name, (work, limit) in cases.items():
        times = [timed(work) for _ in range(runs)]
        kept = "" if limit is None else f"< {limit:g}: {'kept' if median(times) < limit else 'MISSED'}"
        print(f"{name:>46}  {median(times):8.3f}  {min(times):7.3f}  {max(times):7.3f}  {kept}")


def timed(work: Callable[[], object]) -> float:
    """Seconds one run takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
