"""The whole world on one machine: hosts, DNS, emulated providers, receiving mail servers."""

from __future__ import annotations

import os
from pathlib import Path

from lab.lab import Lab
from lab.process import LabError

__all__ = ["Lab", "LabError", "default_state", "open_world"]


def default_state() -> Path:
    """Where this checkout's lab keeps its state: `$OUTREACH_LAB`, else `.lab` beside the code."""
    if "OUTREACH_LAB" in os.environ:
        return Path(os.environ["OUTREACH_LAB"])
    return Path(__file__).resolve().parents[1] / ".lab"


def open_world(state: Path) -> Lab:
    """Attach to a lab that is up, from any process of this machine.

    Raises:
        LabError: no lab is up there.
    """
    found = Lab(state)
    if not found.network.exists():
        raise LabError(f"no lab is up at {state}; run `outreach lab up`")
    return found
