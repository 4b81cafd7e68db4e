"""Files born on a host: private keys that are made there once, are never overwritten and never leave."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.configuration import reason
from deploys.operations.ledger import fail, failed, ledger, plan
from deploys.operations.remote import RemoteError, run


@dataclass(frozen=True)
class Birth:
    """A file that a host makes for itself.

    Args:
        path: absolute; its folder exists.
        create: shell that writes the file ``$1``.
        label: what it is, for the plan.
        owner: user and group that may read it; nobody else does.
    """

    path: str
    create: str
    label: str
    owner: str = "root"

    @property
    def attributes(self) -> str:
        """As ``stat -c '%a %U'`` prints them."""
        return f"600 {self.owner}"


class Attributes(FactBase[dict[str, str]]):
    """Mode and owner of some files, by path; a missing file is missing here too."""

    def command(self, paths: tuple[str, ...]) -> str:
        """One line a file: mode, owner, path."""
        return f"stat -c '%a %U %n' -- {' '.join(map(shlex.quote, paths))} 2>/dev/null; echo end"

    def process(self, output: list[str]) -> dict[str, str]:
        """Parse it."""
        rows = (line.rsplit(" ", 1) for line in output if line != "end")
        return {path: attributes for attributes, path in rows}


def unborn(
    births: Sequence[Birth], present: Mapping[str, str]
) -> tuple[tuple[Birth, ...], tuple[Birth, ...]]:
    """Split: those to make, and those whose mode or owner is not as wanted."""
    make = tuple(birth for birth in births if birth.path not in present)
    mend = tuple(birth for birth in births if present.get(birth.path, birth.attributes) != birth.attributes)
    return make, mend


@operation()
def born(births: Sequence[Birth]) -> Generator[FunctionCommand, None, None]:
    """Have each file made that is not there, and its mode and owner put right.

    + births: the files; none on a host of another role (see deploys/site.py)
    """
    if not births:
        host.noop("nothing for hosts of this role")
        return
    present = host.get_fact(Attributes, tuple(birth.path for birth in births))
    if present is None:
        yield from fail("keys: the files could not be listed")
        return
    make, mend = unborn(births, present)
    if not make and not mend:
        host.noop("all keys are there")
        return
    lines = [f"keys: make the {birth.label} {birth.path}" for birth in make]
    lines += [f"keys: {birth.path}: {present[birth.path]} -> {birth.attributes}" for birth in mend]
    plan(lines)
    yield FunctionCommand(_midwife(make, mend, lines), [], {})


def _midwife(
    make: Sequence[Birth], mend: Sequence[Birth], lines: Sequence[str]
) -> Callable[[State, Host], bool]:
    """The command: a file appears under its name only when it is whole, and `mv -n` never replaces one."""
    parts = ["set -eu\numask 077\nexec 2>&1\n"]
    for birth in make:
        parts.append(f'set -- {shlex.quote(birth.path)}.new\nrm -f "$1"\n{birth.create}\n')
        parts.append(f'chown {birth.owner}: "$1"\nmv -nT "$1" {shlex.quote(birth.path)}\n')
    for birth in mend:
        path = shlex.quote(birth.path)
        parts.append(f"chown {birth.owner}: {path}\nchmod 600 {path}\n")

    def deliver(state: State, host: Host) -> bool:
        try:
            succeeded, output = run(host, "".join(parts), timeout=300)
        except RemoteError as error:
            return failed(state, host, f"keys: {error}; run it again, it goes on where it stopped")
        if not succeeded:
            return failed(state, host, f"keys: {reason(output)}")
        ledger(host).done.extend(lines)
        return True

    return deliver
