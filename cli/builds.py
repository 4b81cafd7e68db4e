"""What `outreach tools build` and `outreach n8n build` share: a release that is built says where it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from cli import fail
from deploys.builds import ReleaseError


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
