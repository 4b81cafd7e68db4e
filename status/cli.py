"""The `outreach-status` command: what the orchestrator's timer runs there.

Exit codes: 0 all that is required is fine; 2 something is not, or nobody knows; 1 it could not look, in one
line on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import dns.exception
from cyclopts import App, Parameter

from inventory import Allocation, Fleet, allocate
from inventory.dqs import CREDENTIAL as DQS_KEY
from notifier import ConfigurationError, Notifier, Server, credentials, default_outbox
from status.blocklists import DEFAULTS, lists
from status.finding import Report
from status.observe import look_by_their_own
from status.questions import questions_of
from status.render import told
from status.survey import Options, Place, Survey, places
from status.watch import AGAIN, Kept, look_from_the_hub, watch

FLEET, KNOWN_HOSTS = Path("/etc/outreach/fleet.json"), Path("/etc/outreach/known_hosts")
STATE = Path("/var/lib/outreach-status")
KEY = "status_key"
"""Among the unit's credentials."""

app = App(name="outreach-status", help="Look at the fleet from its orchestrator.")


@app.command(name="watch")
def look(
    *,
    via: Annotated[str, Parameter(env_var="OUTREACH_VIA")] = "gmail.com",
    again: Annotated[float, Parameter(env_var="OUTREACH_STATUS_AGAIN")] = AGAIN,
) -> int:
    """Look at every host, keep the report, and tell the team what changed since the last time.

    Args:
        via: a domain whose mail server each node dials.
        again: seconds after which what changed is looked at once more, before it is told; 0 for never.
    """
    with _one_line():
        allocation = _allocation()
        given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"))
        seen = places(allocation, KNOWN_HOSTS, str(given / KEY), ())
        options = Options(via, lists(DEFAULTS, _dqs_key(given)))
        kept = Kept(STATE / "memory.json", STATE / "report.json")
        report, changed = watch(partial(_survey, allocation, seen, options), kept, _team(), again)
        if changed:
            sys.stdout.write(told(report, changed) + "\n")
    return 0 if report.fine else 2


@app.command
def check() -> None:
    """Say whether the fleet that was put here can be read."""
    with _one_line():
        found = _allocation()
        sys.stdout.write(f"{found.fleet.name}: {len(found.servers)} hosts\n")


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()


def _allocation() -> Allocation:
    return allocate(Fleet.model_validate_json(FLEET.read_text(encoding="utf-8")))


def _dqs_key(given: Path) -> str:
    """Of Spamhaus' Data Query Service; empty without one, and where a release came before its unit."""
    file = given / DQS_KEY
    return file.read_text(encoding="ascii") if file.exists() else ""


def _survey(allocation: Allocation, seen: tuple[Place, ...], options: Options) -> Report:
    return Survey(
        allocation,
        seen,
        questions_of(None),
        options=options,
        inside=look_by_their_own,
        outside=look_from_the_hub,
    ).run()


def _team() -> Notifier | None:
    """Whom to tell; nobody where no bot is configured."""
    url = os.environ.get("TELEGRAM_BASE_URL", "")
    try:
        return Notifier(credentials(), default_outbox(), server=Server(url) if url else Server())
    except ConfigurationError as error:
        sys.stderr.write(f"outreach-status: nobody is told: {error}\n")
        return None


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, dns.exception.DNSException) as error:
        sys.stderr.write(f"outreach-status: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from None
