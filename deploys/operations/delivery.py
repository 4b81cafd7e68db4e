"""The operation that puts a release on a host, beside those that are there: nothing that runs is touched."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.builds import ReleaseError, digest
from deploys.operations.configuration import reason
from deploys.operations.ledger import failed, ledger, plan
from deploys.operations.remote import RemoteError, copy, run

_AGAIN = "run it again, it goes on where it stopped"
_INSTALL_SECONDS = 900


@dataclass(frozen=True)
class Delivery:
    """A release, and how it gets onto a host.

    Args:
        what: label in plans.
        root: folder on the host whose folders are releases, by version.
        version: name of the folder.
        build: gives the archive, made on this machine unless it is there; raises ReleaseError.
        prepare: shell with the archive's SHA-256 as ``$1``, which prints "there" where
            `root`/.work/release.tar has it.
        install: shell with version and SHA-256; makes the folder of `root`/.work/release.tar, whole or not
            at all.
    """

    what: str
    root: str
    version: str
    build: Callable[[], Path] = field(repr=False)
    prepare: str = field(repr=False)
    install: str = field(repr=False)


class Releases(FactBase[list[str]]):
    """The releases that are whole on a host, by version."""

    def command(self, root: str) -> str:
        """One name a line."""
        return f"ls -1 {shlex.quote(root)} 2>/dev/null; echo end"

    def process(self, output: list[str]) -> list[str]:
        """Parse it."""
        return [line for line in output if line != "end"]


@operation()
def delivered(delivery: Delivery | None) -> Generator[FunctionCommand, None, None]:
    """Have a release on the host, ready to be switched to.

    + delivery: it; built on the operator's machine when the first host needs it; None on a host without it
    """
    if delivery is None:
        host.noop("nothing for hosts of this role")
        return
    present = host.get_fact(Releases, delivery.root) or []
    if delivery.version in present:
        host.noop(f"release {delivery.version} is there")
        return
    lines = [f"{delivery.what}: install release {delivery.version}"]
    plan(lines)
    yield FunctionCommand(_installer(delivery, lines), [], {})


def _installer(delivery: Delivery, lines: Sequence[str]) -> Callable[[State, Host], bool]:
    what, version = delivery.what, delivery.version

    def install(state: State, host: Host) -> bool:
        try:
            error = _install(host, delivery)
        except ReleaseError as unbuilt:
            return failed(state, host, f"{what}: {unbuilt}")
        except RemoteError as broken:
            return failed(state, host, f"{what}: {broken}; {_AGAIN}")
        if error:
            return failed(state, host, f"{what}: release {version} cannot be installed: {error}")
        ledger(host).done.extend(lines)
        return True

    return install


def _install(host: Host, delivery: Delivery) -> str | None:
    """Copy the archive over, unless it is there, and install from it; what went wrong, if anything."""
    archive = delivery.build()
    expected = digest(archive)
    prepared, said = run(host, delivery.prepare, expected)
    if not prepared:
        return reason(said)
    if said[-1:] != ["there"]:
        copy(host, archive, f"{delivery.root}/.work/release.tar")
    installed, said = run(host, delivery.install, delivery.version, expected, timeout=_INSTALL_SECONDS)
    return None if installed else reason(said)
