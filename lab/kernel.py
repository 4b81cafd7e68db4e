"""What the lab needs of this machine's kernel."""

from __future__ import annotations

from pathlib import Path

from lab.process import LabError

_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_WANTED = 4096
"""A booted host holds about 6; the kernel's 128 for all of root's is used up by 20 hosts."""


def raise_limits() -> None:
    """Let one user watch enough files for many hosts; the machine's next boot forgets it.

    Raises:
        LabError: the limit is too low and cannot be raised.
    """
    if int(_INSTANCES.read_text()) >= _WANTED:
        return
    try:
        _INSTANCES.write_text(f"{_WANTED}\n")
    except OSError as error:
        raise LabError(
            f"{_INSTANCES} is too low for many hosts and cannot be raised: {error.strerror}"
        ) from error
