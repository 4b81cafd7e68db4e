"""How large the disk of a host is."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api.facts import FactBase


class DiskGib(FactBase[int]):
    """The size of the file system that holds ``/var/lib``, in whole GiB, whatever is used of it."""

    def command(self) -> str:
        """Its size in bytes."""
        return "df -B1 --output=size /var/lib | tail -n 1"

    def process(self, output: Sequence[str]) -> int:
        """Parse it."""
        return max(1, round(int(output[0]) / (1 << 30)))
