"""One operation for a service's whole configuration: read, compare, stage, validate, swap, prove, or go back.

It stands for a dozen of pyinfra's `files.template`: one round trip reads every file's hash, mode and owner,
one more carries all of them over. The swap itself is `swap.sh`, on the host: a connection that breaks or an
operator who is killed leaves it running to its end, and what dies with the host is put right by the next run.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

from pyinfra.api.command import FunctionCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import host

from deploys.operations.archive import pack
from deploys.operations.configuration import (
    Activation,
    Difference,
    Observed,
    Service,
    compare,
    describe,
    parse_observed,
    reason,
)
from deploys.operations.ledger import fail, failed, ledger, plan
from deploys.operations.remote import RemoteError, run
from deploys.operations.turns import in_turn

SWAP = Path(__file__).with_name("swap.sh")
_UPLOAD = """set -eu
umask 077
stage=/run/outreach/$1 state=/var/lib/outreach/$1
mkdir -p /run/outreach "$state"
exec 9>/run/outreach/lock
flock -w 120 9 || { echo 'error: another operator is changing this host'; echo refused; exit 1; }
rm -rf "$stage"
mkdir "$stage"
base64 -d | tar -xpf - -C "$stage"
[ -e "$stage/swap.sh" ] || { echo 'error: the upload is not complete'; echo refused; exit 1; }
exec sh "$stage/swap.sh" "$stage" "$state"
"""
_AGAIN = "run it again, it goes on where it stopped"
_OUTCOMES = {
    "refused": "refused, nothing changed",
    "undone": "failed, the old files are back and the service is as it was",
    "broken": "failed, the old files are back but the service does not run as before",
}


class ServiceState(FactBase[Observed]):
    """What a host has of a service, in one round trip."""

    def command(self, service: str, unit: str | None, paths: tuple[str, ...]) -> str:
        """Shell whose output :func:`parse_observed` reads."""
        quoted = " ".join(map(shlex.quote, paths))
        applied = f"$(cat /var/lib/outreach/{service}/applied 2>/dev/null)"
        properties = ("ActiveState", "UnitFileState", "ConditionResult", "ConditionTimestampMonotonic")
        show = f"systemctl show {unit} {' '.join(f'-p {name}' for name in properties)};" if unit else ""
        return (
            f"stat -c 'stat %a %U %G %F %n' -- {quoted} 2>/dev/null;"
            f"sha256sum -- {quoted} 2>/dev/null | sed 's/^/sum /';"
            f'echo "applied {applied}"; echo "peer ${{SSH_CONNECTION%% *}}"; {show}'
            '[ ! -r "$SSH_USER_AUTH" ] || sed "s/^/login /" "$SSH_USER_AUTH"'
        )

    def process(self, output: list[str]) -> Observed:
        """Parse it."""
        return parse_observed(output)


class FileContents(FactBase[Mapping[str, str]]):
    """Text of some files, by path."""

    def command(self, paths: tuple[str, ...]) -> str:
        """One line a file: path, then base64."""
        return "; ".join(
            f'echo {shlex.quote(path)} "$(base64 -w0 {shlex.quote(path)} 2>/dev/null)"' for path in paths
        )

    def process(self, output: list[str]) -> dict[str, str]:
        """Decode it; what is not text is shown with replacement characters."""
        rows = (line.partition(" ") for line in output)
        return {path: base64.b64decode(text).decode("utf-8", "replace") for path, _, text in rows}


@operation()
def configure(
    service: Service | None,
    refuse: Callable[[Observed], str | None] | None = None,
    *,
    rolling: bool = False,
) -> Generator[FunctionCommand, None, None]:
    """Converge the whole configuration of one service.

    + service: what is wanted; None on a host of a role without it (see deploys/site.py)
    + refuse: says why these files must not be applied to this very host, if so
    + rolling: hosts where it runs already take turns, and after a failure no other gets one
    """
    if service is None:
        host.noop("nothing for hosts of this role")
        return
    paths = tuple(file.path for file in service.files)
    observed = host.get_fact(ServiceState, service.name, service.unit, paths)
    if observed is None:
        yield from fail(f"{service.name}: its state could not be read")
        return
    difference = compare(service, observed)
    if not difference:
        host.noop(f"{service.name} is as wanted")
        return
    if refuse and (reason := refuse(observed)):
        yield from fail(f"{service.name}: {reason}")
        return
    lines = describe(service, difference, observed, _shown_contents(difference, observed))
    plan(lines)
    swap = _swapper(service, difference, observed, lines)
    # Where it never ran there is nothing to lose, and nothing to wait for.
    yield FunctionCommand(in_turn(service.name, swap) if rolling and observed.applied else swap, [], {})


def _shown_contents(difference: Difference, observed: Observed) -> Mapping[str, str]:
    """Present text of the changed files that may be shown; asked only when something differs."""
    paths = tuple(
        file.path
        for file in difference.changed
        if not file.secret and (present := observed.files.get(file.path)) and present.digest != file.digest
    )
    return (host.get_fact(FileContents, paths) or {}) if paths else {}


def _swapper(
    service: Service, difference: Difference, observed: Observed, lines: Sequence[str]
) -> Callable[[State, Host], bool]:
    """The command: a closure, because pyinfra prints a command's arguments with `--debug-operations`."""

    def swap(state: State, host: Host) -> bool:
        packed = pack(service.files, _meta(service, difference, observed), SWAP.read_text(encoding="utf-8"))
        try:
            _, output = run(host, _UPLOAD, service.name, stdin=packed, timeout=600)
        except RemoteError as error:
            return failed(state, host, f"{service.name}: {error}; {_AGAIN}")
        if output[-1:] == ["done"]:
            notes = [f"{service.name}: {line}" for line in output if line.startswith("note: ")]
            ledger(host).done.extend([*lines, *notes])
            for line in notes:
                host.log(line)
            return True
        outcome = _OUTCOMES.get(output[-1]) if output else None
        if outcome is None:  # the script ends with a word, unless something ended it
            said = reason(output) if output else "it was killed half way"
            return failed(state, host, f"{service.name}: {said}; {_AGAIN}")
        return failed(state, host, f"{service.name}: {outcome}: {reason(output[:-1])}")

    return swap


def _meta(service: Service, difference: Difference, observed: Observed) -> dict[str, str]:
    """The texts that `swap.sh` reads."""
    activate = service.restart if difference.activation is Activation.RESTART else service.reload
    restore = service.restart
    if service.unit and not observed.enabled:
        activate += f"\nsystemctl -q enable {service.unit}"
    if service.unit and not observed.active:
        restore = service.stop or f"systemctl stop {service.unit}"
        restore += f"; systemctl reset-failed {service.unit} 2>/dev/null || true"
    return {
        "paths": "".join(f"{file.path}\n" for file in service.files),
        "check": service.check,
        "activate": activate,
        "restore": restore,
        "health": service.health,
        "after": service.after,
        "unit": service.unit or "",
        "digest": service.digest,
    }
