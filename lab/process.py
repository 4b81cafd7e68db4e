"""Run the machine's own tools and turn whatever they say into one clear line."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class LabError(Exception):
    """The lab cannot do what was asked; the text is one line saying what, where and what to do."""


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
    label: str | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    Args:
        argv: the command; no shell reads it.
        stdin: text for its standard input, which is otherwise empty.
        env: its whole environment; None inherits ours.
        keep_open: file descriptors it inherits (to hold a lock as long as it lives).
        label: what errors call it; None calls it by its words.

    Raises:
        LabError: it is not installed or it failed; names the command and the last line it said.
    """
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            input=stdin if stdin is not None else "",
            capture_output=True,
            errors="replace",
            env=env,
            check=False,
            pass_fds=keep_open,
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed; ./run installs what the lab needs") from None
    if done.returncode:
        raise LabError(f"{label or _short(argv)} failed: {cause(done.stderr or done.stdout)}")
    return done.stdout


def _short(argv: Sequence[str | Path]) -> str:
    return " ".join(str(arg) for arg in argv)[:120]


def cause(text: str) -> str:
    """The line of a command's messages that says why: apt's first error (`E: `), else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E: ")]
    return (errors[:1] or lines[-1:] or ["(it said nothing)"])[0][:300]


@contextmanager
def locked(directory: Path, busy: str | None = None) -> Iterator[int]:
    """Hold an exclusive lock on a directory; the kernel drops it with the process, however that ends.

    Args:
        directory: it exists already; no lock file is left in it.
        busy: the error to raise at once when someone else holds the lock; None waits for them.

    Yields:
        The descriptor that carries the lock: a child that inherits it holds the lock too.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise LabError(busy) from None
        yield descriptor
    finally:
        os.close(descriptor)
