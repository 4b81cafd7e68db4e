"""The `outreach-backup` command: what the orchestrator's unit and `outreach restore` run there.

Exit codes: 0 done; 1 an error, in one line on stderr; 2 wrong usage.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App

from backup.config import DEFAULT, Config, load, load_secrets
from backup.errors import BackupError
from backup.make import make as make_archive
from backup.postgres import Postgres
from backup.restore import Restore
from backup.seal import recipient
from backup.sources import dump
from backup.units import Units

app = App(name="outreach-backup", help="Back up what only this host knows, and restore it.")

JOURNAL = Path("/var/lib/outreach/restore.json")
LOCK = Path("/run/outreach/lock")
"""Whoever changes the host holds it: a deploy, or a restoration."""


@app.command
def make(*, config: Path = DEFAULT) -> None:
    """Make one archive now.

    Args:
        config: what it holds.
    """
    with _one_line():
        _failure().unlink(missing_ok=True)
        path = make_archive(load(config), load_secrets(config), datetime.now(UTC))
        sys.stdout.write(f"{path} ({path.stat().st_size:,} bytes)\n")


@app.command
def check(*, config: Path = DEFAULT) -> None:
    """Say whether an archive could be made: its readers' keys are keys, and each database lets us in.

    Args:
        config: what it holds.
    """
    with _one_line():
        found, secrets = load(config), load_secrets(config)
        for text in found.recipients:
            recipient(text)
        for database in found.databases:
            next(dump(found, database, secrets.passwords[database]))


@app.command
def restore(*, force: bool = False, config: Path = DEFAULT) -> None:
    """Restore the decrypted archive that comes on standard input.

    Args:
        force: replace databases that hold something.
        config: what it holds.
    """
    # The operator's connection may break: an exchange that has begun goes on to its end.
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with _one_line(), _alone():
        found = load(config)
        postgres = Postgres(found.postgresql, found.socket)
        work = Restore(found, load_secrets(config), postgres, Units(), journal=JOURNAL, say=_say)
        for entry in work.run(sys.stdin.buffer, force=force):
            _say(f"restored {entry.name}: {entry.size:,} bytes")
        _say(f"databases: {_held(found, postgres)}")


def main() -> None:
    """Run the command line."""
    app()


def _failure() -> Path:
    """Why the last one failed, for whoever tells the team: in memory, so that a full disk cannot hide."""
    return Path(os.environ.get("RUNTIME_DIRECTORY", "/run/outreach-backup"), "failure")


def _held(config: Config, postgres: Postgres) -> str:
    return ", ".join(f"{name} {postgres.tables(name)} tables" for name in config.databases)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody listens any more
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


@contextmanager
def _alone() -> Iterator[None]:
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("an operator is changing this host; try again when that is over") from None
        yield


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        if "RUNTIME_DIRECTORY" in os.environ:  # that is, as a unit
            _failure().write_text(f"{error}\n", "utf-8")
        sys.stderr.write(f"outreach-backup: {error}\n")
        raise SystemExit(1) from None
