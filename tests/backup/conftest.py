"""A real PostgreSQL with two roles and their databases, and what a deploy would have written down of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

from backup.config import Config, Secrets
from backup.postgres import Postgres
from tests.engine.servers import Postgres as Server

SECRETS = Secrets({"engine": "x", "n8n": "x"}, {"n8n_encryption_key": "key of n8n"})


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Not in pytest's folder: PostgreSQL runs as another user, who may not look into it.
    folder = Path(tempfile.mkdtemp(prefix="backup-"))
    folder.chmod(0o755)
    one = Server(folder / "server")
    one.start()
    one.rows("CREATE ROLE n8n LOGIN")
    yield one
    one.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A file with an age identity, as age-keygen writes it."""
    made = pyrage.x25519.Identity.generate()
    path = tmp_path / "identity.txt"
    path.write_text(f"# created: today\n# public key: {made.to_public()}\n{made}\n")
    return path


@pytest.fixture
def config(server: Server, tmp_path: Path, identity: Path) -> Config:
    for name in ("archives", "outreach-api"):
        (tmp_path / name).mkdir()
    return Config(
        fleet="test",
        host="hub.infra.example",
        secret="f1",
        recipients=(identity.read_text().splitlines()[1].rpartition(" ")[2],),
        keep_days=14,
        folder=tmp_path / "archives",
        postgresql=server._bin,
        socket=server.data.parent,
        databases=("engine", "n8n"),
        state=(tmp_path / "outreach-api",),
        holders=("n8n*.service",),
    )


@pytest.fixture
def postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """The server as restore sees it, with an empty database of each role."""
    monkeypatch.setenv("PGUSER", "engine")
    found = Postgres(server._bin, server.data.parent, become=())
    others = [f"{name}_{other}" for name in ("engine", "n8n") for other in ("before", "restoring", "spent")]
    drop = "".join(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);" for name in ("engine", "n8n", *others))
    found.sql(f"{drop} CREATE DATABASE engine OWNER engine; CREATE DATABASE n8n OWNER n8n")
    return found


@pytest.fixture
def fill(postgres: Postgres) -> Callable[[str], None]:
    """Put one row into a table of each database."""

    def put(word: str) -> None:
        for name in ("engine", "n8n"):
            postgres.sql(f"SET ROLE {name}; CREATE TABLE IF NOT EXISTS kept (word text)", name)
            postgres.sql(f"SET ROLE {name}; INSERT INTO kept VALUES ('{word}')", name)  # noqa: S608 - our own words

    return put
