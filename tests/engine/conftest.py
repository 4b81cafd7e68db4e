"""One PostgreSQL and one nats-server for the engine's tests; each test has streams and jobs of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.servers import Nats, Postgres
from tests.engine.world import Fleet


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    # Not pytest's: PostgreSQL runs as another user, who may not look into it.
    path = Path(tempfile.mkdtemp(prefix="engine-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder / "postgres")
    server.start()
    yield server
    server.stop("immediate")


@pytest.fixture(scope="session")
def nats(folder: Path) -> Iterator[Nats]:
    server = Nats(folder / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fleet(postgres: Postgres, nats: Nats) -> Iterator[Fleet]:
    with Fleet(postgres, nats) as made:
        yield made
