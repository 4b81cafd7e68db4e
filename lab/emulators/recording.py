"""A world without hosts: it keeps what was asked of it, in a file, so that emulators run anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab.emulators.store import Json
from lab.world import ResourceRecord


class RecordingWorld:
    """Implements :class:`lab.world.World` by remembering; the file is replaced whole after every call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._state: Json = {"hosts": {}, "ptrs": {}, "zones": {}}
        if path.exists():
            self._state = json.loads(path.read_text())

    def boot(self, host: str, ipv4: str, ssh_keys: Sequence[str]) -> None:
        """Remember the host."""
        self._set("hosts", host, {"ipv4": ipv4, "ssh_keys": list(ssh_keys)})

    def destroy(self, host: str) -> None:
        """Forget the host."""
        self._set("hosts", host, None)

    def set_ptr(self, ipv4: str, name: str | None) -> None:
        """Remember or forget the PTR."""
        self._set("ptrs", ipv4, name)

    def publish(self, zone: str, records: Sequence[ResourceRecord]) -> None:
        """Remember the zone's records."""
        self._set("zones", zone, [asdict(record) for record in records])

    def withdraw(self, zone: str) -> None:
        """Forget the zone."""
        self._set("zones", zone, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._state = {"hosts": {}, "ptrs": {}, "zones": {}}
            self._write()

    def snapshot(self) -> Json:
        """`hosts` by label (`ipv4`, `ssh_keys`), `ptrs` by address, `zones` by name (lists of records)."""
        with self._lock:
            copy: Json = json.loads(json.dumps(self._state))
        return copy

    def _set(self, kind: str, key: str, value: object | None) -> None:
        with self._lock:
            if value is None:
                self._state[kind].pop(key, None)
            else:
                self._state[kind][key] = value
            self._write()

    def _write(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._state))
        new.replace(self._path)
