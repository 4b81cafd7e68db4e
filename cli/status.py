"""`outreach status`: is the fleet well, and what changed since the last look."""

# ruff: noqa: E402 -- gevent must patch before anything imports ssl, or TLS breaks under pyinfra (gevent#1016)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json as jsonlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Annotated

import dns.exception
import dns.resolver
from cyclopts import Parameter
from rich.console import Console

from cli import fail
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from inventory import Allocation, HostsError, allocate, known_hosts_file
from status.blocklists import DEFAULTS, DQS_VARIABLE, BlockList, lists
from status.difference import Memory, StateError, changes, load, remember, save, state_file
from status.finding import Report
from status.observe import look_inside
from status.questions import Questions
from status.render import as_json, show, show_changes
from status.survey import Options, Survey, places

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
) -> int:
    """Look at every host from inside, from here and through DNS, and say what is not fine. Changes nothing.

    Exit status: 0 all that is required is fine, 2 something required is not, 1 it could not look.
    """
    allocation = allocate(read_fleet(fleet))
    kept = state_file(fleet, os.environ)
    with _one_line():
        memory = (load(kept) or Memory({})) if diff else Memory({})
        options = Options(via, _lists(blocklist), _limit(allocation, limit))
        questions = Questions(_resolver(resolver))
        if questions.problem:
            fail(f"DNS cannot be asked: {questions.problem}; --resolver ADDRESS asks another one")
        key = os.environ.get("OUTREACH_SSH_KEY") or None
        seen = places(allocation, known_hosts_file(fleet), key, options.limit)
        with _progress(len(seen)):
            report = Survey(allocation, seen, questions, options=options, inside=look_inside).run()
        _tell(report, memory, diff=diff, json=json)
        if diff:
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


def _lists(zones: list[str] | None) -> tuple[BlockList, ...]:
    try:
        return lists(DEFAULTS if zones is None else zones, os.environ.get(DQS_VARIABLE, ""))
    except ValueError as error:
        fail(str(error))


def _limit(allocation: Allocation, words: str) -> frozenset[str]:
    hosts = [word.strip() for word in words.split(",") if word.strip()]
    known = [server.name for server in allocation.servers]
    for host in hosts:
        if host not in known:
            fail(f"--limit {host}: the fleet has no such host; there are {', '.join(known[:8])}")
    return frozenset(hosts)


def _resolver(address: str | None) -> dns.resolver.Resolver:
    """This machine's resolver, or the one at an address."""
    if address is None:
        return dns.resolver.Resolver()
    found = dns.resolver.Resolver(configure=False)
    try:
        found.nameservers = [str(ip_address(address))]
    except ValueError:
        fail(f"--resolver: {address} is not an address of a resolver")
    return found


@contextmanager
def _progress(hosts: int) -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"looking at {hosts} hosts"):
        yield


@contextmanager
def _one_line() -> Iterator[None]:
    """End with one line and status 1 for whatever a person can settle."""
    try:
        yield
    except (HostsError, StateError, dns.exception.DNSException) as error:
        fail(str(error))
