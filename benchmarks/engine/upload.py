"""A million addresses over HTTP: as `accept`, from the client's first byte to the service's answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.engine.accept import MEMORY_MB
from tests.api.running import Running, running
from tests.engine.servers import Postgres

ADDRESSES = 1_000_000
_PIECE = 1000  # lines in one piece of the client's


class _Orchestrator(Running):
    """The service as the orchestrator has it: lists go into the database, others ask."""

    def __init__(self, folder: Path, conninfo: str) -> None:
        super().__init__(folder)
        self._conninfo = conninfo

    def write(self) -> None:
        super().write()
        with self.config.open("a") as file:
            file.write(f'[fleet]\ndatabase = "{self._conninfo}"\n')


def upload(folder: Path) -> dict[str, Any]:
    """The same list as a file that is sent with POST /jobs."""
    postgres = Postgres(folder / "postgres", fsync=True)
    postgres.start()
    grown: list[float] = []
    (folder / "api").mkdir()
    try:
        with (
            running(_Orchestrator(folder / "api", postgres.conninfo)) as service,
            service.client(timeout=300) as client,
        ):
            kind = {"Content-Type": "text/plain"}
            client.post("/jobs", content=b"warm@up.example\n", headers=kind).raise_for_status()
            first = service.resident()

            def watched() -> Iterator[bytes]:
                for at in range(0, ADDRESSES, _PIECE):
                    grown.append((service.resident() - first) / 1e6)
                    yield "".join(map(_line, range(at, at + _PIECE))).encode()

            began = time.monotonic()
            answer = client.post("/jobs", content=watched(), headers=kind)
            seconds = time.monotonic() - began
            answer.raise_for_status()
            grown.append((service.resident() - first) / 1e6)
    finally:
        postgres.stop()
    total = answer.json()["total"]
    return {
        "addresses": total,
        "seconds": round(seconds, 1),
        "grown_mb": round(max(grown), 1),
        "load": os.getloadavg()[0],
        "kept": total == ADDRESSES and seconds < 60 and max(grown) < MEMORY_MB,
    }


def _line(n: int) -> str:
    return f"user{n - n % 10 if n % 10 == 9 else n}@domain{n % 50_000}.example\n"
