"""Restored beside what is in use, then exchanged; interrupted anywhere, it can be run again."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.archive import About, Entry, pack
from backup.config import Config, Secrets
from backup.errors import BackupError, DamagedError
from backup.postgres import Postgres
from backup.restore import Restore
from backup.sources import entries
from backup.units import Units
from tests.backup.conftest import SECRETS

Fill = Callable[[str], None]
MADE = datetime(2026, 11, 28, 3, tzinfo=UTC).isoformat()


class Noted(Units):
    """systemd is not what is tried here: notes what it is told; one unit runs until it is stopped."""

    def __init__(self, break_at: str = "") -> None:
        self.told: list[str] = []
        self.running = {"n8n.service"}
        self.break_at = break_at

    def active(self, _patterns: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.running)

    def is_active(self, unit: str) -> bool:
        return unit in self.running

    def stop(self, units: Sequence[str]) -> None:
        self._note("stop", units)
        self.running -= set(units)

    def start(self, units: Sequence[str]) -> None:
        self._note("start", units)
        self.running |= set(units)

    def _note(self, verb: str, units: Sequence[str]) -> None:
        if verb == self.break_at:
            raise KeyboardInterrupt
        self.told.append(f"{verb} {' '.join(units)}")


class Scene:
    """A host to restore on, and an archive of it."""

    def __init__(self, config: Config, postgres: Postgres, fill: Fill, folder: Path) -> None:
        self.config, self.postgres, self.fill = config, postgres, fill
        self.journal = folder / "restore.json"
        self.outbox = config.state[0] / "outbox.sqlite3"
        self.said: list[str] = []
        fill("archived")
        self.write_outbox("archived")
        self.archive = self.pack()

    def pack(self, *, fleet: str = "test", made: str = MADE) -> bytes:
        about = About(fleet, "hub.infra.example", made, "0.1.0+r0", "f1")
        return b"".join(pack(about, entries(self.config, SECRETS)))

    def write_outbox(self, word: str) -> None:
        self.outbox.unlink(missing_ok=True)
        with sqlite3.connect(self.outbox) as outbox:
            outbox.execute(f"CREATE TABLE kept AS SELECT '{word}' AS word")

    def empty(self) -> None:
        for name in ("engine", "n8n"):
            self.postgres.sql("DROP TABLE kept", name)

    def words(self, suffix: str = "") -> list[str]:
        return [
            self.postgres.sql("SELECT string_agg(word, ' ') FROM kept", name + suffix)
            for name in ("engine", "n8n")
        ]

    def outbox_word(self) -> str:
        with sqlite3.connect(self.outbox) as outbox:
            return str(outbox.execute("SELECT word FROM kept").fetchone()[0])

    def restore(
        self,
        archive: bytes,
        units: Units | None = None,
        *,
        force: bool = False,
        secrets: Secrets = SECRETS,
    ) -> None:
        work = Restore(
            self.config, secrets, self.postgres, units or Noted(), journal=self.journal, say=self.said.append
        )
        work.run(io.BytesIO(archive), force=force)

    def databases(self) -> set[str]:
        listed = self.postgres.sql("SELECT datname FROM pg_database WHERE datname ~ '^(engine|n8n)'")
        return set(listed.split())


@pytest.fixture
def scene(config: Config, postgres: Postgres, fill: Fill, tmp_path: Path) -> Scene:
    return Scene(config, postgres, fill, tmp_path)


def test_what_was_backed_up_is_back_and_belongs_to_whom_it_belonged(scene: Scene) -> None:
    scene.empty()
    scene.write_outbox("new host")
    units = Noted()
    scene.restore(scene.archive, units)
    assert scene.words() == ["archived", "archived"]
    assert scene.outbox_word() == "archived"
    assert units.told == ["stop n8n.service", "start n8n.service"]
    assert scene.databases() == {"engine", "n8n"}
    assert not scene.journal.exists()
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'"
    assert scene.postgres.sql(owner, "n8n") == "n8n"
    public = (
        "SELECT has_database_privilege('public', datname, 'CONNECT') FROM pg_database WHERE datname = 'n8n'"
    )
    assert scene.postgres.sql(public) == "f"


def test_a_database_that_is_not_empty_is_not_replaced_unless_told(scene: Scene) -> None:
    units = Noted()
    with pytest.raises(BackupError, match=r"engine is not empty \(1 tables hold something\); --force"):
        scene.restore(scene.archive, units)
    assert units.told == []
    scene.fill("today")
    scene.restore(scene.archive, units, force=True)
    assert scene.words() == ["archived", "archived"]
    assert scene.words("_before") == ["archived today", "archived today"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_archive_cut_short_touches_nothing(scene: Scene, share: float) -> None:
    scene.empty()
    units = Noted()
    with pytest.raises(BackupError):
        scene.restore(scene.archive[: int(len(scene.archive) * share)], units)
    assert scene.databases() == {"engine", "n8n"}
    assert scene.postgres.filled("engine") == scene.postgres.filled("n8n") == 0
    assert [path.name for path in scene.config.state[0].iterdir()] == ["outbox.sqlite3"]
    assert units.told == []
    assert not scene.journal.exists()


def test_the_archive_of_another_fleet_touches_nothing(scene: Scene) -> None:
    with pytest.raises(BackupError, match="the archive is of the fleet other, and this is test"):
        scene.restore(scene.pack(fleet="other"), force=True)
    assert scene.words() == ["archived", "archived"]


def test_a_key_of_another_root_secret_touches_nothing_and_is_not_shown(scene: Scene) -> None:
    others = Secrets(SECRETS.passwords, {"n8n_encryption_key": "quite another"})
    with pytest.raises(BackupError, match="another OUTREACH_SECRET, whose fingerprint is f1") as raised:
        scene.restore(scene.archive, secrets=others, force=True)
    assert "key of n8n" not in str(raised.value)
    assert "quite another" not in str(raised.value)
    assert scene.databases() == {"engine", "n8n"}


def test_an_entry_that_has_no_place_here_touches_nothing(scene: Scene) -> None:
    about = About("test", "h", MADE, "r", "f1")
    for name in ("postgresql/other", "sqlite/outreach-api/../../x", "sqlite/elsewhere/x", "etc/passwd"):
        with pytest.raises(BackupError, match="has no place here"):
            scene.restore(b"".join(pack(about, [Entry(name, [b"x"])])), force=True)
    assert scene.words() == ["archived", "archived"]


def test_a_dump_that_is_none_touches_nothing(scene: Scene) -> None:
    about = About("test", "h", MADE, "r", "f1")
    with pytest.raises(BackupError, match="database engine cannot be restored"):
        scene.restore(b"".join(pack(about, [Entry("postgresql/engine", [b"no dump" * 100_000])])), force=True)
    assert scene.words() == ["archived", "archived"]
    assert scene.databases() == {"engine", "n8n"}


@pytest.mark.parametrize("at", ["stop", "start"])
def test_interrupted_in_the_exchange_the_same_is_run_again_without_force(scene: Scene, at: str) -> None:
    scene.fill("today")
    scene.write_outbox("today")
    units = Noted(break_at=at)
    with pytest.raises(KeyboardInterrupt):
        scene.restore(scene.archive, units, force=True)
    assert json.loads(scene.journal.read_text())["made"] == MADE
    units.break_at = ""
    scene.restore(scene.archive, units)
    assert scene.words() == ["archived", "archived"]
    assert scene.words("_before") == ["archived today", "archived today"]
    assert scene.databases() == {"engine", "n8n", "engine_before", "n8n_before"}
    assert scene.outbox_word() == "archived"
    assert units.told[-1] == "start n8n.service"
    assert not scene.journal.exists()


def test_another_archive_is_not_taken_for_the_interrupted_one(scene: Scene) -> None:
    with pytest.raises(KeyboardInterrupt):
        scene.restore(scene.archive, Noted(break_at="start"), force=True)
    with pytest.raises(BackupError, match="--force"):
        scene.restore(scene.pack(made="2026-11-29T03:00:00+00:00"))


def test_clients_that_are_connected_do_not_hold_it_up(scene: Scene, server: object) -> None:
    import psycopg

    scene.empty()
    with psycopg.connect(f"host={scene.config.socket} user=n8n dbname=n8n"):
        scene.restore(scene.archive)
    assert scene.words() == ["archived", "archived"]


def test_nothing_at_all_is_no_archive(scene: Scene) -> None:
    with pytest.raises(DamagedError):
        scene.restore(b"")
