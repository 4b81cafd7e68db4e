"""`outreach backup` and `outreach restore`: what only the orchestrator knows, kept elsewhere, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from backup.errors import BackupError
from backup.seal import identities
from cli import fail, one_line
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from deploys.backups.exchange import make, offered, pull, send
from deploys.backups.link import Link, linked
from deploys.backups.place import LATEST, Place, verified
from deploys.secrets import SecretError, fingerprint, root_secret
from inventory import Allocation, Backups, HostsError, allocate, hosts, known_hosts_file
from inventory.addresses import addresses

app = App(name="backup")

ERRORS = BackupError, HostsError, SecretError

Identity = Annotated[
    Path | None, Parameter(env_var="OUTREACH_BACKUP_IDENTITY", help="File with an age identity; stays here.")
]


@app.default
def backup(fleet: FleetFile = DEFAULT_FILE, *, identity: Identity = None) -> None:
    """Make an archive now, and pull it and every one that is missing here.

    With an identity the newest is read through, too. Exit status: 0 done, 1 not.
    """
    allocation = allocate(read_fleet(fleet))
    with one_line(*ERRORS):
        wanted, place = _place(allocation, fleet)
        keys = identities(identity) if identity else []
        secret = root_secret()
        with _linked(allocation, fleet) as link:
            make(link)
            pull(link, place, wanted.keep_days, _say)
        if kept := place.keep_secret(secret, fingerprint(secret), wanted.recipients):
            _say(f"wrote {kept.name}: OUTREACH_SECRET, for whoever has to build the fleet anew")
        newest = place.find(LATEST)
        if keys:
            about, entries = verified(newest, keys)
            names = ", ".join(entry.name for entry in entries)
            _say(f"{newest.name} opens and is whole: of {about.made}, with {names}")
        _say(f"{len(place.archives())} archives in {place.folder}, the newest {newest.name}")


@app.command(name="list")
def show(fleet: FleetFile = DEFAULT_FILE) -> None:
    """Show the archives that are kept here, and those on the orchestrator that are not here yet."""
    allocation = allocate(read_fleet(fleet))
    with one_line(*ERRORS):
        _, place = _place(allocation, fleet)
        there = place.archives()
        for archive in there:
            _say(f"{archive.made:%Y-%m-%d %H:%M} UTC  {archive.size:>15,}  {archive.path}")
        with _linked(allocation, fleet) as link:
            missing = [name for name in offered(link) if name not in {item.path.name for item in there}]
        for name in missing:
            _say(f"{name}: on the orchestrator alone; `outreach backup` pulls it")


def restore(
    archive: str,
    fleet: FleetFile = DEFAULT_FILE,
    *,
    identity: Identity = None,
    force: Annotated[
        bool,
        Parameter(help="Replace databases that hold something; they are kept as NAME_before.", negative=""),
    ] = False,
) -> None:
    """Send an archive to the orchestrator and have it restored there.

    Args:
        archive: a file, the name of one where backups are pulled to, or `latest` of those.
        fleet: the fleet file.
        identity: file with an age identity; it never leaves this machine.
        force: replace databases that hold something.
    """
    allocation = allocate(read_fleet(fleet))
    with one_line(*ERRORS):
        _, place = _place(allocation, fleet)
        if identity is None:
            fail("name the file of an age identity: --identity FILE")
        path, keys = place.find(archive), identities(identity)
        with _linked(allocation, fleet) as link:
            send(link, path, keys, allocation.fleet.name, force=force, say=_say)
        _say(f"restored {path.name}; `outreach apply` and `outreach status` tell whether all is as wanted")


def _place(allocation: Allocation, fleet: Path) -> tuple[Backups, Place]:
    wanted = allocation.fleet.backups
    if wanted is None:
        raise BackupError(
            f"{fleet} has no `backups`: fleet.yaml shows how to write it; then `outreach apply`"
        )
    folder = fleet.absolute().parent / Path(wanted.to).expanduser()
    return wanted, Place(folder, allocation.fleet.name)


@contextmanager
def _linked(allocation: Allocation, fleet: Path) -> Iterator[Link]:
    pins, name = known_hosts_file(fleet), allocation.orchestrator.name
    found = hosts(
        allocation,
        addresses(allocation, pins),
        known_hosts=pins,
        ssh_key=os.environ.get("OUTREACH_SSH_KEY") or None,
        only={name},
    )
    with linked(name, found[0].data) as link:
        yield link


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
