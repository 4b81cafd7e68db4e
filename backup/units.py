"""The services that hold what is restored."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from backup.errors import BackupError
from backup.sources import last_line


class Units:
    """systemd's units."""

    def active(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """The units that match one of the patterns and run, or are about to."""
        if not patterns:
            return ()
        states = "--state=active,activating,reloading"
        listed = self._ask("list-units", "--plain", "--no-legend", "--full", states, *patterns)
        return tuple(line.split()[0] for line in listed.splitlines() if line.strip())

    def is_active(self, unit: str) -> bool:
        """Whether it runs."""
        done = subprocess.run(["systemctl", "-q", "is-active", unit], check=False)
        return done.returncode == 0

    def stop(self, units: Sequence[str]) -> None:
        """Stop them, all at once: a socket would start its service again."""
        if units:
            self._ask("stop", *units)

    def start(self, units: Sequence[str]) -> None:
        """Start them, without waiting for each."""
        if units:
            self._ask("start", "--no-block", *units)

    def _ask(self, *words: str) -> str:
        done = subprocess.run(["systemctl", *words], capture_output=True, check=False)
        if done.returncode:
            raise BackupError(f"systemctl {words[0]}: {last_line(done.stderr)}")
        return done.stdout.decode()
