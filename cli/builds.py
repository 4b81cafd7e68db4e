"""Releases that commands build: what a plan puts onto hosts, or one by itself, which says where it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cli import fail
from deploys.builds import ReleaseError
from deploys.n8n.build import build as build_n8n
from deploys.n8n.release import read_release as read_n8n_release
from deploys.plan import Kind, Plan
from deploys.tools.build import build as build_tools
from deploys.tools.release import read_release
from inventory import Allocation


class Named(Protocol):
    """A release, of which only its name is asked."""

    @property
    def version(self) -> str:
        """Its name."""


R = TypeVar("R", bound=Named)


def report_build(what: str, read: Callable[[], R], build: Callable[[R], Path]) -> None:
    """Build a release, unless it is there, and print its archive; what goes wrong is one line.

    Args:
        what: the line's first word.
        read: tells which release this checkout is of.
        build: makes its archive.
    """
    try:
        release = read()
        archive = build(release)
    except ReleaseError as error:
        fail(str(error))
    size = archive.stat().st_size / 1e6
    sys.stdout.write(f"{what} {release.version}: {archive} ({size:.1f} MB)\n")


def build_for(drawn: Plan, allocation: Allocation) -> None:
    """Build what a plan puts onto hosts: what cannot be built must not be found out after the orders.

    Raises:
        ReleaseError: it cannot be built.
    """
    hosts = {change.object for change in drawn.changes if change.kind is Kind.NODE}
    if hosts:
        build_tools(read_release())
    if allocation.orchestrator.name in hosts and "n8n" in allocation.fleet.orchestrator.services:
        build_n8n(read_n8n_release())
