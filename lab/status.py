"""What runs in a lab and what it costs this machine, told however broken the lab is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.cgroup import Cgroup

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class PartStatus:
    """One host or process of the lab.

    Args:
        name: `host n1`, `squid`, ...
        address: of a host, else empty.
        processes: how many live.
        memory: bytes they hold, pages shared between processes counted in parts (PSS).
    """

    name: str
    address: str
    processes: int
    memory: int

    @property
    def running(self) -> bool:
        return self.processes > 0


def measure(name: str, address: str, cgroup: Cgroup) -> PartStatus:
    """The status of what lives in a control group."""
    pids = cgroup.pids()
    return PartStatus(name, address, len(pids), sum(_memory(pid) for pid in pids))


def _memory(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # it ended meanwhile, or is a zombie
        return 0
    return sum(int(kib) << 10 for kib in _PSS.findall(rollup))
