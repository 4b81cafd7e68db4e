"""Forget the pinned SSH host keys of servers that end or are ordered anew, and of no other."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


def forget(known_hosts: Path, names: Collection[str]) -> None:
    """Remove the lines of a known_hosts file (sshd(8)) that are for any of these names.

    A name's line also pins its address, which the vendor may give to the next server.

    Args:
        known_hosts: the file; it need not exist.
        names: full host names.
    """
    if not names or not known_hosts.exists():
        return
    lines = known_hosts.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if set(names).isdisjoint(line.split(" ", 1)[0].split(","))]
    if kept != lines:
        new = known_hosts.with_name(f".{known_hosts.name}.new")
        with new.open("w", encoding="utf-8") as file:
            file.writelines(kept)
            file.flush()
            os.fsync(file.fileno())
        new.replace(known_hosts)
