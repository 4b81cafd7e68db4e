"""`outreach status`: is the fleet well, and what changed since the last look."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import dns.exception
import dns.resolver
from cyclopts import Parameter
from rich.console import Console

from cli import fail, one_line
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from cli.team import tell as tell_team
from deploys.telegram import Telegram, telegram
from inventory import Allocation, Role, allocate, known_hosts_file
from inventory.dqs import dqs_key
from notifier import ConfigurationError
from status.blocklists import DEFAULTS, BlockList, lists
from status.difference import Memory, changes, load, remember, save, state_file
from status.finding import Report
from status.observe import look_inside
from status.publish import published
from status.questions import questions_of
from status.render import as_json, show, show_changes
from status.survey import Options, Place, Survey, places
from status.telling import news

FINE, BROKEN = 0, 2


def status(
    fleet: FleetFile = DEFAULT_FILE,
    *,
    limit: Annotated[str, Parameter(help="Hosts, comma-separated; everything else is left alone.")] = "",
    diff: Annotated[
        bool, Parameter(help="Say only what changed since the last run with --diff.", negative="")
    ] = False,
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False,
    via: Annotated[
        str, Parameter(env_var="OUTREACH_VIA", help="A domain whose mail server each node dials.")
    ] = "gmail.com",
    blocklist: Annotated[
        list[str] | None,
        Parameter(help="Lists of addresses to ask instead of the usual: ZONE or ZONE=VOTES.", negative=""),
    ] = None,
    resolver: Annotated[str | None, Parameter(help="Address of the resolver to ask.")] = None,
    tell: Annotated[
        bool, Parameter(help="Send the team what changed, on Telegram; wants --diff.", negative="")
    ] = False,
    publish: Annotated[
        bool, Parameter(help="Put the report on the orchestrator, for its REST service.", negative="")
    ] = False,
) -> int:
    """Look, print what was found, and hand it on to whom the options name."""
    if tell and not diff:
        fail("--tell tells what changed: give --diff too")
    if publish and limit:
        fail("--publish hands out the whole fleet's status: leave --limit away")
    allocation = allocate(read_fleet(fleet))
    bot = _bot() if tell else None
    kept = state_file(fleet, os.environ)
    with one_line(ValueError, dns.exception.DNSException):
        memory = (load(kept) or Memory({})) if diff else Memory({})
        options = Options(via, _lists(blocklist), _limit(allocation, limit))
        questions = questions_of(resolver)
        if questions.problem:
            fail(f"DNS cannot be asked: {questions.problem}; --resolver ADDRESS asks another one")
        key = os.environ.get("OUTREACH_SSH_KEY") or None
        seen = places(allocation, known_hosts_file(fleet), key, options.limit)
        with _progress(len(seen)):
            report = Survey(allocation, seen, questions, options=options, inside=look_inside).run()
        _tell(report, memory, diff=diff, json=json)
        if publish:
            _publish(report, seen)
        changed = changes(memory, report)
        safe = tell_team(bot, *news(report, changed)) if bot and changed else True
        # What nobody could be told is news in the next run again.
        if diff and safe:
            save(kept, remember(memory, report))
    return FINE if report.fine else BROKEN


def _tell(report: Report, memory: Memory, *, diff: bool, json: bool) -> None:
    """Print the report, or what changed."""
    changed = changes(memory, report) if diff else None
    if json:
        sys.stdout.write(jsonlib.dumps(as_json(report, changed), indent=2) + "\n")
    else:
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140, highlight=False)
        if changed is None:
            show(console, report)
        else:
            show_changes(console, changed)
    sys.stdout.flush()


def _bot() -> Telegram:
    try:
        bot = telegram()
    except ConfigurationError as error:
        fail(str(error))
    if not bot:
        fail("--tell: TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not set")
    return bot


def _publish(report: Report, seen: Sequence[Place]) -> None:
    """Put the report where the orchestrator's REST service finds it."""
    (orchestrator,) = (place.host for place in seen if place.server.role is Role.ORCHESTRATOR)
    if problem := published(orchestrator, jsonlib.dumps(as_json(report))):
        fail(f"the report is not published: {problem}")


def _lists(zones: list[str] | None) -> tuple[BlockList, ...]:
    try:
        return lists(DEFAULTS if zones is None else zones, dqs_key(os.environ))
    except ValueError as error:
        fail(str(error))


def _limit(allocation: Allocation, words: str) -> frozenset[str]:
    hosts = [word.strip() for word in words.split(",") if word.strip()]
    known = [server.name for server in allocation.servers]
    for host in hosts:
        if host not in known:
            fail(f"--limit {host}: the fleet has no such host; there are {', '.join(known[:8])}")
    return frozenset(hosts)


@contextmanager
def _progress(hosts: int) -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"looking at {hosts} hosts"):
        yield
