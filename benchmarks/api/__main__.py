"""What the REST service bears.

    python -m benchmarks.api soak               # ten minutes at 200 requests a second
    python -m benchmarks.api slow               # 1,000 slow clients at once, for a minute

Each prints JSON and ends with 1 if a promise is broken. All traffic is on loopback; needs the development
environment, and a quiet machine for its figures.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from cyclopts import App

from benchmarks.api import slow as crowd
from benchmarks.api import soak as mix

app = App(name="benchmarks.api", help="What the REST service bears.")


@app.command
def soak(*, seconds: float = 600.0, rate: float = 200.0) -> int:
    """Every kind of call: no error, flat memory.

    Args:
        seconds: how long.
        rate: requests a second.
    """
    return _told(mix.run(rate, seconds))


@app.command
def slow(*, seconds: float = 60.0, clients: int = 1_000) -> int:
    """Slow clients: /health answers within 50 ms, 99 times in a hundred.

    Args:
        seconds: how long.
        clients: how many at once.
    """
    return _told(crowd.run(clients, seconds))


def _told(found: dict[str, Any]) -> int:
    print(json.dumps(found, indent=1))
    return 0 if found["kept"] else 1


if __name__ == "__main__":
    sys.exit(app())
