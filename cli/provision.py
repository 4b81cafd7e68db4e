"""`outreach plan` and `outreach apply`: what would change, and make it so."""

# ruff: noqa: E402 -- gevent must patch before anything imports ssl, or TLS breaks under pyinfra (gevent#1016)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import fcntl
import json as jsonlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from cyclopts import Parameter

from cli import fail, one_line, write
from cli.announce import Announcer
from cli.builds import build_for
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from cli.progress import Progress, host_table, report
from costs.pricebook import PriceBook, PriceBookError
from deploys.apply import Outcome, Status
from deploys.builds import ReleaseError
from deploys.connect import SettingsError, connect
from deploys.n8n.sheet import SheetError, sheet_header
from deploys.plan import Area, Plan, Scope
from deploys.providers import ProviderError
from deploys.render import consent_phrase, markdown, text_lines
from deploys.saved import PlanError, dump, load
from deploys.session import Session, unmoved
from deploys.telegram import telegram
from deploys.workflows import WorkflowError
from deploys.workflows import load as load_workflows
from deploys.world import Current
from inventory import Allocation, HostsError, allocate, known_hosts_file
from inventory.dqs import DqsKeyError, dqs_key
from notifier import ConfigurationError

Only = Annotated[str, Parameter(help="Areas, comma-separated: servers, dns, nodes.")]
Limit = Annotated[str, Parameter(help="Hosts, comma-separated; everything else is left alone.")]
Adopt = Annotated[
    list[str] | None,
    Parameter(help="Take over a record made by others: ZONE/NAME/TYPE, @ for the apex.", negative=""),
]
Json = Annotated[bool, Parameter(help="Print JSON.", negative="")]

ERRORS = (
    *(ProviderError, SettingsError, PlanError, PriceBookError, HostsError),
    *(ReleaseError, ConfigurationError, WorkflowError, SheetError, DqsKeyError),
)
"""What is a person's to settle: each is one clear line."""

NOTHING, PENDING, FAILED = 0, 2, 1


def plan(
    fleet: FleetFile = DEFAULT_FILE,
    *,
    only: Only = "servers,dns,nodes",
    limit: Limit = "",
    adopt: Adopt = None,
    json: Json = False,
    format: Annotated[Literal["text", "json", "markdown"], Parameter(help="How to print it.")] = "text",  # noqa: A002 - the option's name
    out: Annotated[Path | None, Parameter(help="Save the plan here, as JSON, for `apply --plan`.")] = None,
) -> int:
    """Draw the plan, print it, and keep it where `out` says."""
    allocation = allocate(read_fleet(fleet))
    scope = _scope(allocation, only, limit, adopt)
    with one_line(*ERRORS):
        with Progress().reading():
            drawn, _ = _session(fleet, allocation, scope).plan()
        if out:
            write(out, jsonlib.dumps(dump(drawn), indent=2) + "\n")
    _print(drawn, "json" if json else format)
    _complain(drawn)
    if drawn.problems:
        return FAILED
    return PENDING if drawn.pending else NOTHING


def apply(
    fleet: FleetFile = DEFAULT_FILE,
    *,
    plan: Annotated[Path | None, Parameter(help="Apply exactly this saved plan, or refuse.")] = None,
    yes: Annotated[
        bool, Parameter(help="Consent to what costs money or cannot be undone.", negative="")
    ] = False,
    only: Only = "servers,dns,nodes",
    limit: Limit = "",
    adopt: Adopt = None,
    force: Annotated[
        bool, Parameter(help="Overwrite workflows that were edited in n8n.", negative="")
    ] = False,
    json: Json = False,
) -> int:
    """Draw the plan or take a saved one, ask for consent, and carry it out."""
    allocation = allocate(read_fleet(fleet))
    signal.signal(signal.SIGINT, _stop_at_once)
    signal.signal(signal.SIGTERM, _stop_at_once)
    with one_line(*ERRORS):
        saved = load(plan) if plan else None
        scope = saved.scope if saved else _scope(allocation, only, limit, adopt)
        session = _session(fleet, allocation, scope, force=force)
        progress = Progress()
        with _alone(fleet):
            with progress.reading():
                drawn, current = session.plan()
            if saved:
                unmoved(saved, drawn)
            if not json:
                _print(drawn, "text")
            outcomes: list[Outcome] = []
            if drawn.changes:
                build_for(drawn, allocation)
                current = _consented(session, drawn, current, yes=yes)
                with _announced(drawn) as ended, progress.applying(len(drawn.changes)) as tell:
                    outcomes = session.apply(drawn, current, tell)
                    ended(outcomes)
    if json:
        sys.stdout.write(jsonlib.dumps(report(drawn, outcomes), indent=2) + "\n")
    elif outcomes:
        host_table(allocation, outcomes)
    _complain(drawn, outcomes)
    done = all(outcome.status is Status.DONE for outcome in outcomes)
    return NOTHING if done and not drawn.problems else FAILED


def _scope(allocation: Allocation, only: str, limit: str, adopt: list[str] | None) -> Scope:
    words = [word.strip() for word in only.split(",")]
    for word in words:
        if word not in list(Area):
            fail(f"--only {word!r}: there are {', '.join(Area)}")
    hosts = [host.strip() for host in limit.split(",") if host.strip()]
    known = [server.name for server in allocation.servers]
    for host in hosts:
        if host not in known:
            fail(f"--limit {host}: the fleet has no such host; there are {', '.join(known[:8])}")
    for record in adopt or ():
        if record.count("/") != 2:
            fail(f"--adopt {record}: give ZONE/NAME/TYPE, with @ as the apex's NAME: a.example/@/MX")
    return Scope(frozenset(map(Area, words)), tuple(hosts), tuple(adopt or ()))


def _session(fleet: Path, allocation: Allocation, scope: Scope, *, force: bool = False) -> Session:
    providers = connect(allocation, scope.only, os.environ, fleet.absolute().with_suffix(".orders.json"))
    nodes, pins = None, known_hosts_file(fleet)
    if Area.NODES in scope.only:
        if "n8n" in allocation.fleet.orchestrator.services:  # what it needs is right before anything happens
            load_workflows()
            sheet_header(os.environ)
        dqs_key(os.environ)
        from deploys.nodes import PyinfraNodes  # noqa: PLC0415 - pyinfra takes a second that other scopes save

        # paramiko tells each failed try on stderr unless somebody listens; here failures are values.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        key = os.environ.get("OUTREACH_SSH_KEY") or None
        nodes = PyinfraNodes(allocation, pins, key, scope.limit, force=force)
    return Session(allocation, scope, PriceBook.load(allocation.fleet.prices), providers, nodes, pins)


def _consented(session: Session, drawn: Plan, current: Current, *, yes: bool) -> Current:
    """Have a person name what costs money or cannot be undone. The world may move while they think."""
    phrase = consent_phrase(drawn.changes)
    if yes or not phrase:
        return current
    if not sys.stdin.isatty():
        fail(f"this plan needs consent to: {phrase}. Pass --yes, or run it on a terminal")
    sys.stderr.write(f"This plan needs your consent. Type what it does to go on:\n\n    {phrase}\n\n> ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != phrase:
        fail("not confirmed: nothing was changed")
    again, now = session.plan()
    unmoved(drawn, again)
    return now


@contextmanager
def _announced(drawn: Plan) -> Iterator[Callable[[Sequence[Outcome]], None]]:
    """Tell the team that a deploy began, and how it ended."""
    team = Announcer(telegram(), drawn)
    team.began()
    try:
        yield team.ended
    except ERRORS as error:
        team.broke(str(error))
        raise


def _print(drawn: Plan, form: str) -> None:
    if form == "json":
        sys.stdout.write(jsonlib.dumps(dump(drawn), indent=2) + "\n")
    elif form == "markdown":
        sys.stdout.write(markdown(drawn))
    else:
        sys.stdout.writelines(f"{line}\n" for line in text_lines(drawn))
    sys.stdout.flush()


def _complain(drawn: Plan, outcomes: Sequence[Outcome] = ()) -> None:
    """One line for each thing that a person must settle; what was skipped follows from these."""
    failures = [outcome.reason for outcome in outcomes if outcome.status is Status.FAILED]
    for message in dict.fromkeys([*(found.message for found in drawn.problems), *failures]):
        sys.stderr.write(f"outreach: {message}\n")


def _stop_at_once(*_: object) -> NoReturn:
    """End on a signal, without waiting for what is under way: the next apply continues from any point."""
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    sys.stderr.write(
        f"{show_cursor}\noutreach: interrupted; run apply again, it continues where it stopped\n"
    )
    sys.stderr.flush()
    os._exit(FAILED)


@contextmanager
def _alone(fleet: Path) -> Iterator[None]:
    """Hold the fleet's lock: two applies at once would both order what both found missing."""
    path = fleet.absolute().with_suffix(".lock")
    try:
        file = path.open("w")
    except OSError as error:
        fail(f"{path} cannot be written ({error.strerror}): apply locks the fleet there")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fail(f"another apply of this fleet is running; it holds {path}")
        yield
