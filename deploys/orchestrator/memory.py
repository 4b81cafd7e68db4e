"""How much memory a host has."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.facts import FactBase


class MemoryGib(FactBase[int]):
    """The memory of a host in whole GiB: the kernel keeps a few MiB, more or less with each update."""

    def command(self) -> str:
        """Its line of /proc/meminfo."""
        return "grep MemTotal: /proc/meminfo"

    def process(self, output: Sequence[str]) -> int:
        """Parse it."""
        return max(1, round(int(output[0].split()[1]) / (1 << 20)))
