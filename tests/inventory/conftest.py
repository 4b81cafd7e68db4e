"""A small fleet file to bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inventory import FleetError, load_fleet

BASE = """\
version: 1
name: small
infra_domain: infra.example
sender:
  legal_name: Small GmbH
  postal_address: Musterweg 1, 10115 Berlin
operators:
  addresses: [198.18.0.1/32]
orchestrator:
  name: hub
nodes:
  - name: n
    count: 2
domains:
  - alpha.example
  - bravo.example
  - charlie.example  # a comment
  - delta.example
accounts:
  per_domain: 2
  names: [Anna Berg, Jonas Weber, Clara Lindt]
dns:
  account: 0123456789abcdef0123456789abcdef
limits:
  domains_per_node: 2
  accounts_per_node: 4
warmup:
  - {days: 7, mails_per_day: 5}
  - {days: 7, mails_per_day: 50}
"""


@pytest.fixture
def base() -> str:
    """The text of a fleet that loads: 2 nodes, full with 4 domains of 2 accounts."""
    return BASE


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a text as `fleet.yaml` and return its path."""

    def to_file(text: str) -> Path:
        path = tmp_path / "fleet.yaml"
        path.write_bytes(text.encode())
        return path

    return to_file


@pytest.fixture
def problems() -> Callable[..., list[str]]:
    """Load a fleet that has problems, with this environment or an empty one, and return its lines."""

    def lines(path: Path, environ: dict[str, str] | None = None) -> list[str]:
        with pytest.raises(FleetError) as caught:
            load_fleet(path, environ or {})
        return [line.replace(str(path), "fleet.yaml") for line in str(caught.value).splitlines()]

    return lines
