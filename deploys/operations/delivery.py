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

_PREPARE = """set -eu
umask 022
mkdir -p {root}/.work
{require}
free=$(df -Pm {root} | awk 'NR == 2 {{ print $4 }}')
[ "$free" -ge {room} ] ||
    {{ echo "error: {root} has $free MiB free, an installation needs {room}: no space left"; exit 1; }}
if echo "$1  {root}/.work/release.tar" | sha256sum --check --status 2>/dev/null; then echo there; fi
"""

# With version and SHA-256 of the archive. Whoever installs at the same time waits, and finds it done.
_INSTALL = """set -u
umask 022
export LC_ALL=C
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/{lock}
flock -w 600 9 || {{ echo 'error: another operator is installing {what} here'; exit 1; }}
cd {root} || exit 1
[ ! -d "$1" ] || exit 0
echo "$2  .work/release.tar" | sha256sum --check --status ||
    {{ echo 'error: the archive came damaged'; exit 1; }}
{unpack}
rm -rf .work
"""


@dataclass(frozen=True)
class Delivery:
    """A release, and how it gets onto a host.

    Args:
        what: label in plans.
        root: folder on the host whose folders are releases, by version.
        version: name of the folder.
        build: gives the archive, made on this machine unless it is there; raises ReleaseError.
        room: MiB that an installation takes at most, before it drops what it was made from.
        lock: name of the file in ``/run/outreach`` that is held meanwhile.
        unpack: shell that stands in `root`, with the version as ``$1``; makes the folder of that name of
            ``.work/release.tar``, whole or not at all. Where it cannot, it says so and exits with 1.
        require: shell that says what is wrong with the host, and exits with 1, before anything is sent.
    """

    what: str
    root: str
    version: str
    build: Callable[[], Path] = field(repr=False)
    room: int
    lock: str
    unpack: str = field(repr=False)
    require: str = field(default=":", repr=False)

    def script(self, text: str) -> str:
        """A step's shell text, for this release."""
        return text.format(
            root=self.root,
            what=self.what,
            room=self.room,
            lock=self.lock,
            unpack=self.unpack.strip(),
            require=self.require.strip(),
        )


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
    prepared, said = run(host, delivery.script(_PREPARE), expected)
    if not prepared:
        return reason(said)
    if said[-1:] != ["there"]:
        copy(host, archive, f"{delivery.root}/.work/release.tar")
    installed, said = run(
        host, delivery.script(_INSTALL), delivery.version, expected, timeout=_INSTALL_SECONDS
    )
    return None if installed else reason(said)
