"""What the orchestrator is told of its backups, and the folder that they are pulled to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pyrage
import pytest

from backup.archive import About, Entry, pack
from backup.config import load, load_secrets
from backup.errors import BackupError, DamagedError
from backup.make import archive_name
from backup.seal import encrypt, identities, opened
from deploys.backups.place import Place, verified
from deploys.metrics.services import ADDED
from deploys.operations.configuration import Service
from deploys.orchestrator.backups import FIGURES, backups
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.postgresql import account
from deploys.secrets import fingerprint
from tests.deploys.nodes.samples import node

SECRET = b"0123456789abcdef" * 2
NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)
IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())


def service(**over: object) -> Service:
    wanted = {"recipients": [RECIPIENT], "keep_days": 14, "hour": 3}
    hub = node(role="orchestrator", domains=[], backups=wanted, **over)
    return backups(hub, Credentials(SECRET), "")


def test_the_program_reads_what_the_deploy_writes(tmp_path: Path) -> None:
    for file in service().files:
        (tmp_path / Path(file.path).name).write_text(file.content)
    config = load(tmp_path / "backup.toml")
    assert (config.fleet, config.recipients, config.keep_days) == ("test", (RECIPIENT,), 14)
    assert config.secret == fingerprint(SECRET)
    secrets = load_secrets(tmp_path / "backup.toml", {})
    for database in config.databases:
        assert secrets.passwords[database] == Credentials(SECRET).password(account(database))
    assert secrets.keys["n8n_encryption_key"] == Credentials(SECRET).password("n8n encryption")


def test_passwords_and_keys_are_in_one_file_that_root_alone_reads() -> None:
    secret = [file for file in service().files if file.secret]
    assert [(file.path, file.mode, file.owner) for file in secret] == [
        ("/etc/outreach/backup-secrets.toml", 0o600, "root")
    ]
    for file in service().files:
        if not file.secret:
            assert Credentials(SECRET).password("n8n encryption") not in file.content


def test_the_hour_is_the_fleet_files_and_in_utc() -> None:
    (timer,) = (file for file in service().files if file.path.endswith(".timer"))
    assert "OnCalendar=*-*-* 03:00:00 UTC" in timer.content


def test_prometheus_is_told_when_the_last_one_was_made_where_it_looks() -> None:
    (unit,) = (file for file in service().files if file.path.endswith("outreach-backup.service"))
    assert FIGURES == ADDED
    assert f'cd {ADDED} && echo "outreach_backup_success_timestamp_seconds ' in unit.content


def test_a_fleet_without_backups_ends_them_and_keeps_no_secret_on_the_host() -> None:
    ended = backups(node(role="orchestrator", domains=[]), Credentials(SECRET), "")
    assert [file.path for file in ended.files] == ["/etc/outreach/backup.toml"]
    assert "recipients = []" in ended.files[0].content
    assert ended.unit is None
    for line in ("disable --now outreach-backup.timer", "rm -f /etc/outreach/backup-secrets.toml"):
        assert line in ended.restart


def test_a_fingerprint_tells_secrets_apart() -> None:
    assert fingerprint(SECRET) == fingerprint(SECRET) != fingerprint(SECRET + b"x")
    assert len(fingerprint(SECRET)) == 8


@pytest.fixture
def keys(tmp_path: Path) -> list[object]:
    path = tmp_path / "identity.txt"
    path.write_text(f"{IDENTITY}\n")
    return identities(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "kept", "test")


def archive(place: Place, *, days: int = 0, fleet: str = "test") -> Path:
    """Have an archive pulled."""
    about = About(fleet, "hub", NOW.isoformat(), "0.1.0", "f1")
    made = place.folder.parent / "made.age"
    with made.open("wb") as file:
        encrypt(pack(about, chosen()), file, [RECIPIENT])
    data = made.read_bytes()

    def fetch(file: IO[bytes]) -> None:
        file.write(data)

    name = archive_name(fleet, NOW - timedelta(days=days))
    return place.take(name, hashlib.sha256(data).hexdigest(), fetch)


def chosen() -> Iterator[Entry]:
    yield Entry("keys/a", [b"key"])
    yield Entry("postgresql/engine", [b"x" * 300_000])


def test_an_archive_that_came_whole_is_found_again_and_can_be_read(place: Place, keys: list[object]) -> None:
    archive(place, days=1)
    path = archive(place)
    assert [found.path for found in place.archives()][-1] == path
    assert place.find("latest") == place.find(path.name) == place.find(str(path)) == path
    about, entries = verified(path, keys)
    assert about.fleet == "test"
    assert [(entry.name, entry.size) for entry in entries] == [("keys/a", 3), ("postgresql/engine", 300_000)]


def test_one_that_did_not_come_whole_leaves_nothing(place: Place) -> None:
    with pytest.raises(DamagedError, match="did not come whole; run it again"):
        place.take(archive_name("test", NOW), "0" * 64, lambda _file: None)
    assert list(place.folder.iterdir()) == []


def test_other_files_and_other_fleets_are_no_archives_of_this_one(place: Place) -> None:
    archive(place, fleet="test-two")
    (place.folder / "test-secret-00000000.age").write_bytes(b"")
    (place.folder / "notes.txt").write_text("")
    assert place.archives() == []
    with pytest.raises(BackupError, match="holds no archive of test"):
        place.find("latest")


def test_a_file_changed_since_it_came_is_damaged(place: Place, keys: list[object]) -> None:
    path = archive(place)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"it is not what .*sha256 says"):
        verified(path, keys)


def test_the_root_secret_is_kept_once_and_only_encrypted(place: Place, keys: list[object]) -> None:
    archive(place)
    kept = place.keep_secret(SECRET, fingerprint(SECRET), [RECIPIENT])
    assert kept is not None
    assert kept.name == f"test-secret-{fingerprint(SECRET)}.age"
    assert SECRET not in kept.read_bytes()
    with opened(kept, keys) as plain:
        assert plain.read() == SECRET + b"\n"
    assert place.keep_secret(SECRET, fingerprint(SECRET), [RECIPIENT]) is None
    assert len(place.archives()) == 1
