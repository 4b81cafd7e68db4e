"""Archives are made whole or not at all, and the old ones go only when a newer one is there."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.archive import About, Piece, unpack
from backup.config import Config
from backup.errors import BackupError
from backup.make import archive_name, make, outdated
from backup.postgres import Postgres
from backup.seal import identities, opened
from tests.backup.conftest import SECRETS

NOW = datetime(2026, 11, 28, 3, 0, 5, tzinfo=UTC)
Fill = Callable[[str], None]


def held(archive: Path, identity: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with opened(archive, identities(identity)) as plain:
        for item in unpack(plain):
            if isinstance(item, Piece):
                found[item.name] = found.get(item.name, b"") + item.data
            if isinstance(item, About):
                assert item.fleet == "test"
    return found


def test_an_archive_holds_each_database_the_keys_and_the_state(
    config: Config, postgres: Postgres, fill: Fill, identity: Path
) -> None:
    fill("precious")
    with sqlite3.connect(config.state[0] / "outbox.sqlite3") as outbox:
        outbox.execute("PRAGMA journal_mode=WAL")
        outbox.execute("CREATE TABLE kept AS SELECT 'queued' AS word")
        outbox.commit()
        path = make(config, SECRETS, NOW)  # while it is open and its log is not in it yet
    found = held(path, identity)
    assert list(found) == [
        "keys/n8n_encryption_key",
        "postgresql/engine",
        "postgresql/n8n",
        "sqlite/outreach-api/outbox.sqlite3",
    ]
    assert found["keys/n8n_encryption_key"] == b"key of n8n"
    assert found["postgresql/n8n"].startswith(b"PGDMP")
    copy = config.folder / "copy.sqlite3"
    copy.write_bytes(found["sqlite/outreach-api/outbox.sqlite3"])
    assert sqlite3.connect(copy).execute("SELECT word FROM kept").fetchall() == [("queued",)]


def test_its_digest_lies_beside_it_and_nothing_plain_does(
    config: Config, postgres: Postgres, fill: Fill
) -> None:
    fill("precious")
    path = make(config, SECRETS, NOW)
    assert path.name == "test-20261128T030005Z.age"
    assert sorted(entry.name for entry in config.folder.iterdir()) == [path.name, f"{path.name}.sha256"]
    done = subprocess.run(["sha256sum", "--check", f"{path.name}.sha256"], cwd=config.folder, check=False)
    assert done.returncode == 0
    for entry in config.folder.iterdir():
        assert b"precious" not in entry.read_bytes()
        assert b"key of n8n" not in entry.read_bytes()


def test_a_database_that_cannot_be_dumped_leaves_the_archives_alone(
    config: Config, postgres: Postgres
) -> None:
    first = make(config, SECRETS, NOW)
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    postgres.drop("n8n")
    with pytest.raises(BackupError, match=r'database n8n cannot be dumped: .* database "n8n" does not exist'):
        make(config, SECRETS, NOW + timedelta(days=30))
    assert sorted(entry.name for entry in config.folder.iterdir()) == [first.name, f"{first.name}.sha256"]
    assert hashlib.sha256(first.read_bytes()).hexdigest() == digest


def test_a_full_disk_is_one_line_and_leaves_the_last_archives(
    config: Config, postgres: Postgres, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=True)
    try:
        there = config.model_copy(update={"folder": small})
        first = make(there, SECRETS, NOW)
        postgres.sql(
            "CREATE TABLE big AS SELECT md5(random()::text) AS t FROM generate_series(1, 20000)", "engine"
        )
        with pytest.raises(BackupError, match=f"{small} cannot be written: No space left on device"):
            make(there, SECRETS, NOW + timedelta(days=30))
        assert sorted(entry.name for entry in small.iterdir()) == [first.name, f"{first.name}.sha256"]
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_a_killed_one_left_goes_with_the_next(config: Config, postgres: Postgres) -> None:
    (config.folder / "test-20261127T030000Z.age.part").write_bytes(b"half")
    make(config, SECRETS, NOW)
    assert not list(config.folder.glob("*.part"))


def test_archives_go_by_the_newest_ones_age_and_never_all() -> None:
    nights = [archive_name("test", NOW - timedelta(days=days)) for days in range(30)]
    assert outdated(nights, 14) == sorted(nights[15:])
    assert outdated([nights[29]], 14) == []
    assert outdated(["notes.txt", "test-1.age"], 14) == []


def test_old_archives_go_once_a_new_one_is_there(config: Config, postgres: Postgres) -> None:
    old = make(config, SECRETS, NOW - timedelta(days=15))
    recent = make(config, SECRETS, NOW - timedelta(days=13))
    new = make(config, SECRETS, NOW)
    assert sorted(config.folder.glob("*.age")) == sorted([recent, new])
    assert not old.with_name(f"{old.name}.sha256").exists()
