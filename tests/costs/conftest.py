"""The shipped fleet, the seed's prices, and the command as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from costs.holdings import Holdings
from costs.pricebook import PriceBook
from inventory import allocate, load_fleet

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "fleet.yaml"

Run = Callable[..., subprocess.CompletedProcess[str]]


def outreach(*args: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("outreach"), "costs", *args],
        env={"PATH": os.environ["PATH"], "COLUMNS": "80", "OUTREACH_FLEET": str(FLEET), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def printed(*args: str) -> str:
    """What a command printed, run once."""
    run = outreach(*args)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="session")
def fleet() -> Holdings:
    """The shipped fleet.yaml."""
    return Holdings.of(allocate(load_fleet(FLEET, {})))


@pytest.fixture(scope="session")
def seed() -> PriceBook:
    """The seed's prices."""
    return PriceBook.load("seed")


@pytest.fixture(scope="session")
def current() -> PriceBook:
    """Prices of today."""
    return PriceBook.load("current")
