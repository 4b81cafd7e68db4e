"""A journal of orders sent, so that a crash between sending one and its answer never buys a second server."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deploys.providers import ProviderError


class Orders:
    """Orders whose fate is not known yet, kept in a file that survives the process.

    Args:
        path: the file; it is made with the first order, and empty of entries when no fate is open.
        clock: the time, in seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        """Note, before it is sent, that a server of this name is being ordered. Holds once it returns."""
        with self._lock:
            self._write({**self._read(), name: self._clock()})

    def settle(self, name: str) -> None:
        """Forget an order whose fate is known."""
        with self._lock:
            known = self._read()
            if known.pop(name, None) is not None:
                self._write(known)

    def age(self, name: str) -> float | None:
        """Seconds since an order of unknown fate was sent; None if there is none."""
        sent = self._read().get(name)
        return None if sent is None else max(0.0, self._clock() - sent)

    def _read(self) -> dict[str, float]:
        try:
            return {
                str(name): float(sent) for name, sent in json.loads(self._path.read_text("utf-8")).items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError, OSError) as error:
            hint = "look in the vendor's panel for open orders, then delete the file"
            raise ProviderError(
                "contabo", str(self._path), f"the journal of orders is unreadable: {hint}"
            ) from error

    def _write(self, orders: dict[str, float]) -> None:
        new = self._path.with_name(self._path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(orders, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
