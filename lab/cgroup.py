"""One control group for each thing the lab runs: the kernel's own list of what is ours, and a sure kill.

A process that was started here cannot leave its group, so neither a crash nor a fork loses one:
`cgroup.kill` (Linux 5.14, Documentation/admin-guide/cgroup-v2.rst) ends a whole tree at once.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.process import LabError

# The shell joins the group before it becomes the command: nothing of it is ever outside.
_JOIN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def hierarchy() -> Path:
    """Where this machine mounts cgroup2 (`/sys/fs/cgroup`, or `unified` under it on a hybrid host)."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(","):
            return Path(mount)
    raise LabError("no writable cgroup2 is mounted on this machine; the lab needs one to end what it starts")


class Cgroup:
    """A control group of the lab and the processes in it.

    Args:
        path: its name below the hierarchy, for example `outreach-1a2b3c4d/host-n1`.
    """

    def __init__(self, path: str) -> None:
        self.path = hierarchy() / path

    def start(
        self,
        argv: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> None:
        """Start a command that outlives us, in this group, its output appended to `log`.

        Args:
            argv: the command; no shell reads it.
            log: file for what it says.
            env: its whole environment; None inherits ours.
            keep_open: file descriptors it inherits (to hold a lock as long as it lives).
        """
        self.create()
        with log.open("ab") as output:
            subprocess.run(
                self.joining(["setsid", "--fork", *argv]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                pass_fds=keep_open,
                check=True,
            )

    def joining(self, argv: Sequence[str | Path]) -> list[str]:
        """`argv`, made to run in this group, which must exist."""
        return ["sh", "-c", _JOIN, str(self.path), *(str(arg) for arg in argv)]

    def create(self) -> None:
        """Make the group; it may exist."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"cannot make the control group {self.path}: {error.strerror}") from None

    def populated(self) -> bool:
        """Whether a process lives in it or below it."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return False

    def pids(self) -> list[int]:
        """The processes in it and below it."""
        found: list[int] = []
        for listing in self.path.rglob("cgroup.procs"):
            try:
                found += [int(pid) for pid in listing.read_text().split()]
            except (FileNotFoundError, OSError):  # went away while we looked
                continue
        return found

    def kill(self, timeout: float = 30) -> None:
        """End every process in it, wait until they are gone, and remove the group."""
        if not self.path.exists():
            return
        switch = self.path / "cgroup.kill"
        if not switch.exists():
            raise LabError(f"{switch} is missing: the lab needs Linux 5.14 or newer")
        deadline = time.monotonic() + timeout
        switch.write_text("1")
        while self.populated():
            if time.monotonic() > deadline:
                raise LabError(f"processes {self.pids()} in {self.path} do not end")
            time.sleep(0.01)
        self._remove(deadline)

    def _remove(self, deadline: float) -> None:
        # A group can stay busy for a moment after its last process ended.
        for directory, _, _ in os.walk(self.path, topdown=False):
            while True:
                try:
                    os.rmdir(directory)
                except FileNotFoundError:
                    break
                except OSError as error:
                    if time.monotonic() > deadline:
                        raise LabError(f"cannot remove {directory}: {error.strerror}") from None
                    time.sleep(0.01)
                else:
                    break
