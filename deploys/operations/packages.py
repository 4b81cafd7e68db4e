"""Packages: one look, one apt run when something is missing, and nothing starts before it is configured."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.configuration import reason
from deploys.operations.ledger import fail, failed, ledger, plan
from deploys.operations.remote import RemoteError, run

# invoke-rc.d and deb-systemd-invoke ask policy-rc.d; 101 is "not allowed" (Debian's specification of
# policy-rc.d). A policy of someone else's stays and is theirs to mind.
_INSTALL = """set -u
policy=/usr/sbin/policy-rc.d log=/run/outreach/apt.log
lift() { if grep -qs outreach $policy; then rm -f $policy; fi; }
trap lift EXIT
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/lock
flock -w 900 9 || { echo 'E: another operator is changing this host'; exit 1; }
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \\
        -o Dpkg::Options::=--force-confold "$@"
}
hold() {
    [ -e $policy ] || printf '#!/bin/sh\\n# outreach: not before it is configured\\nexit 101\\n' >$policy &&
        chmod 755 $policy
}
{
    hold && echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections &&
        dpkg --configure -a &&
        { [ $# -eq 0 ] || { apt update && apt install --no-install-recommends "$@"; }; }
} >$log 2>&1 9>&- || { grep -E '^(E:|Err:|dpkg: error)|No space left' $log || tail -n 5 $log; exit 1; }
"""


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
            succeeded, output = run(host, _INSTALL, *names, timeout=1800)
        except RemoteError as error:
            return failed(state, host, f"packages: {error}; run it again, it goes on where it stopped")
        if not succeeded:
            return failed(state, host, f"packages: apt failed: {reason(output)}")
        ledger(host).done.extend(lines)
        return True

    return install
