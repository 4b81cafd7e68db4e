"""The lab's names of the vendors' servers: each host has one, whatever its server is called at the vendor."""

from __future__ import annotations

import re

from lab.emulators.store import Store

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class HostNames:
    """Host names in use, over all vendors."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("lab", "host")

    def reserve(self, server_name: str, fallback: str) -> str:
        """The first label of the server's name in lower case, or the fallback if that is taken or no label.

        A server ordered twice by accident is thus a second host, not the first one again.
        """
        label = server_name.partition(".")[0].lower()
        if not _LABEL.fullmatch(label) or self._table.get(label):
            label = fallback
        self._table.put(label, {"server": server_name})
        return label

    def release(self, host: str) -> None:
        """Let another server have the name."""
        self._table.delete(host)
