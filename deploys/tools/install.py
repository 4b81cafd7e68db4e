"""The operation that puts a release on a host, beside those that are there: nothing that runs is touched."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.configuration import reason
from deploys.operations.ledger import failed, ledger, plan
from deploys.operations.remote import RemoteError, copy, run
from deploys.tools.build import build, digest
from deploys.tools.release import PYTHON, Release, ReleaseError

ROOT = "/opt/outreach"
_ROOM = 250
"""MiB that an installation takes at most, before it drops what it was made from."""
_AGAIN = "run it again, it goes on where it stopped"

_PREPARE = f"""set -eu
umask 022
mkdir -p {ROOT}/.work
python3 -c 'import sys; sys.exit(sys.version_info[:2] != {PYTHON})' ||
    {{ echo 'error: python3 is not {PYTHON[0]}.{PYTHON[1]}, which releases are made for'; exit 1; }}
free=$(df -Pm {ROOT} | awk 'NR == 2 {{ print $4 }}')
[ "$free" -ge {_ROOM} ] ||
    {{ echo "error: {ROOT} has $free MiB free, an installation needs {_ROOM}: no space left"; exit 1; }}
if echo "$1  {ROOT}/.work/release.tar" | sha256sum --check --status 2>/dev/null; then echo there; fi
"""

# The release is made under its final path, which a venv's scripts and compiled files carry in them, without
# being there yet: in a mount namespace of its own, where /opt/outreach is /opt/outreach/.work. It gets its
# name by one rename once it is whole and on the disk.
_INSTALL = f"""set -u
umask 022
export LC_ALL=C
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/lock
flock -w 300 9 || {{ echo 'error: another operator is changing this host'; exit 1; }}
cd {ROOT} || exit 1
[ ! -d "$1" ] || exit 0
echo "$2  .work/release.tar" | sha256sum --check --status ||
    {{ echo 'error: the archive came damaged'; exit 1; }}
drop() {{ find .work -mindepth 1 -maxdepth 1 ! -name release.tar -exec rm -rf {{}} +; }}
drop
{{
    mkdir .work/from && tar -xf .work/release.tar -C .work/from &&
        nice unshare -m sh -eu -c '
            mount --bind {ROOT}/.work {ROOT}
            cd {ROOT}/from
            python3 -m venv --without-pip "{ROOT}/$1"
            python="{ROOT}/$1/bin/python"
            pip=$(echo wheels/pip-*.whl)
            "$python" "$pip/pip" install --quiet --no-index --no-deps --require-hashes --no-compile \\
                --no-cache-dir --root-user-action=ignore --disable-pip-version-check -r requirements.txt
            "$python" -m compileall -q -j0 "{ROOT}/$1/lib"
        ' sh "$1" && sync -f .work && mv -T ".work/$1" "$1"
}} >/run/outreach/release.log 2>&1 9>&- || {{ tail -n 30 /run/outreach/release.log; drop; exit 1; }}
rm -rf .work
"""


class Releases(FactBase[list[str]]):
    """The releases that are whole on a host, by version."""

    def command(self) -> str:
        """One name a line."""
        return f"ls -1 {ROOT} 2>/dev/null; echo end"

    def process(self, output: list[str]) -> list[str]:
        """Parse it."""
        return [line for line in output if line != "end"]


@operation()
def release_installed(release: Release) -> Generator[FunctionCommand, None, None]:
    """Have a release on the host, ready to be switched to.

    + release: it; built on the operator's machine when the first host needs it
    """
    present = host.get_fact(Releases) or []
    if release.version in present:
        host.noop(f"release {release.version} is there")
        return
    lines = [f"tools: install release {release.version}"]
    plan(lines)
    yield FunctionCommand(_installer(release, lines), [], {})


def _installer(release: Release, lines: Sequence[str]) -> Callable[[State, Host], bool]:
    def install(state: State, host: Host) -> bool:
        try:
            error = _install(host, release)
        except ReleaseError as unbuilt:
            return failed(state, host, f"tools: {unbuilt}")
        except RemoteError as broken:
            return failed(state, host, f"tools: {broken}; {_AGAIN}")
        if error:
            return failed(state, host, f"tools: release {release.version} cannot be installed: {error}")
        ledger(host).done.extend(lines)
        return True

    return install


def _install(host: Host, release: Release) -> str | None:
    """Copy the archive over, unless it is there, and install from it; what went wrong, if anything."""
    archive = build(release)
    expected = digest(archive)
    prepared, said = run(host, _PREPARE, expected)
    if not prepared:
        return reason(said)
    if said[-1:] != ["there"]:
        copy(host, archive, f"{ROOT}/.work/release.tar")
    installed, said = run(host, _INSTALL, release.version, expected, timeout=900)
    return None if installed else reason(said)
