"""Packages: one look, one apt run when something is missing, and nothing starts before it is configured."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.configuration import reason
from deploys.operations.ledger import fail, failed, ledger, plan
from deploys.operations.remote import RemoteError, run

INSTALL = Path(__file__).with_name("install.sh")
_WHOLE = {"ii", "hi"}  # installed, or installed and held back from upgrades


class PackageStates(FactBase[dict[str, str]]):
    """dpkg's state of some packages, by name; ``policy-rc.d`` in it is ours, of a killed installation."""

    def command(self, names: tuple[str, ...]) -> str:
        """One line a known package: its abbreviated state, then its name."""
        return (
            f"dpkg-query -W -f='${{db:Status-Abbrev}} ${{Package}}\\n' {' '.join(names)} 2>/dev/null;"
            "grep -qs outreach /usr/sbin/policy-rc.d && echo 'left policy-rc.d'; echo end end"
        )

    def process(self, output: list[str]) -> dict[str, str]:
        """Parse it."""
        return {name: status for status, name in (line.split() for line in output)}


def missing(wanted: Sequence[str], states: Mapping[str, str]) -> tuple[str, ...]:
    """The packages that are not there and whole, in the order wanted."""
    return tuple(name for name in wanted if states.get(name) not in _WHOLE)


@operation()
def installed(names: Sequence[str]) -> Generator[FunctionCommand, None, None]:
    """Install what is missing, with its services held back.

    + names: Debian packages
    """
    states = host.get_fact(PackageStates, tuple(names))
    if states is None:
        yield from fail("packages: dpkg could not be asked")
        return
    lacking = missing(names, states)
    if not lacking and "policy-rc.d" not in states:
        host.noop("all packages are installed")
        return
    lines = [f"packages: install {' '.join(lacking)}"] if lacking else ["packages: let services start again"]
    plan(lines)
    yield FunctionCommand(_installer(lacking, lines), [], {})


def _installer(names: Sequence[str], lines: Sequence[str]) -> Callable[[State, Host], bool]:
    def install(state: State, host: Host) -> bool:
        try:
            succeeded, output = run(host, INSTALL.read_text("utf-8"), *names, timeout=1800)
        except RemoteError as error:
            return failed(state, host, f"packages: {error}; run it again, it goes on where it stopped")
        if not succeeded:
            return failed(state, host, f"packages: apt failed: {reason(output)}")
        ledger(host).done.extend(lines)
        return True

    return install
