"""What goes between the orchestrator and the operator's machine: archives there to here, one of them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from backup.errors import BackupError
from backup.make import DIGEST, SUFFIX, made_at, outdated
from backup.seal import opened
from deploys.backups.link import Link
from deploys.backups.place import Place, verified
from deploys.orchestrator.backups import FOLDER, UNIT

PROGRAM = f"/opt/outreach/current/bin/{UNIT}"
PULLED = f"{FOLDER}/pulled"
"""Its time of change is when somebody last had every archive."""

Say = Callable[[str], None]


def make(link: Link) -> None:
    """Have an archive made now, as it is made at night.

    Raises:
        BackupError: it failed; with its reason.
    """
    status, said = link.run(["systemctl", "start", f"{UNIT}.service"])
    if status:
        known, why = link.run(["cat", "/run/outreach-backup/failure"])
        reason = why.strip() if known == 0 else (said.strip().splitlines() or ["it was ended"])[0]
        raise BackupError(f"no archive could be made: {reason}")


def offered(link: Link) -> dict[str, str]:
    """The archives on the orchestrator: SHA-256 by name, the oldest first."""
    _, said = link.run(["sh", "-c", f"cat {FOLDER}/*{SUFFIX}{DIGEST} 2>/dev/null; ls {FOLDER}"])
    lines = said.splitlines()
    rows = (line.partition("  ") for line in lines)
    digests = {name: digest for digest, _, name in rows if name}
    return {name: digests[name] for name in sorted(lines) if made_at(name) and name in digests}


def pull(link: Link, place: Place, keep_days: int, say: Say) -> list[Path]:
    """Have every archive of the orchestrator in a place; there the outdated ones go.

    Args:
        link: to the orchestrator.
        place: where to.
        keep_days: how long they stay, counted back from the newest.
        say: told of each that comes or goes.

    Returns:
        Those that came, the oldest first.

    Raises:
        BackupError: one could not be had; those before it are here.
    """
    there = offered(link)
    have = {archive.path.name for archive in place.archives()}
    dropped = set(outdated([*there, *have], keep_days))
    came = []
    for name, digest in there.items():
        if name not in have and name not in dropped:
            came.append(place.take(name, digest, partial(link.fetch, f"{FOLDER}/{name}")))
            say(f"pulled {name} ({came[-1].stat().st_size:,} bytes)")
    for name in sorted(dropped & have):
        (place.folder / name).unlink()
        (place.folder / f"{name}{DIGEST}").unlink(missing_ok=True)
        say(f"dropped {name}, older than {keep_days} days")
    link.run(["touch", PULLED])
    return came


def send(link: Link, archive: Path, keys: Sequence[Any], fleet: str, *, force: bool, say: Say) -> None:
    """Restore an archive on the orchestrator. It is decrypted here; the identity stays here.

    Args:
        link: to the orchestrator.
        archive: the file.
        keys: age identities.
        fleet: whose it must be.
        force: replace databases that hold something.
        say: told each step.

    Raises:
        BackupError: it was refused or failed, with the reason.
    """
    about, entries = verified(archive, keys)
    if about.fleet != fleet:
        raise BackupError(f"{archive} is of the fleet {about.fleet}, and this is {fleet}")
    say(f"{archive.name} is whole: {len(entries)} entries, {sum(entry.size for entry in entries):,} bytes")
    if link.run(["test", "-x", PROGRAM])[0]:
        raise BackupError("the orchestrator has no outreach-backup yet: run `outreach apply` first")
    argv = [PROGRAM, "restore", *(["--force"] if force else [])]
    with opened(archive, keys) as plain:
        status, said = link.feed(argv, plain)
    lines = said.strip().splitlines() or ["it said nothing"]
    for line in lines[:-1] if status else lines:
        say(line)
    if status:
        raise BackupError(lines[-1].removeprefix("outreach-backup: "))
