"""A service's configuration as a value: what is wanted, what a host has, and the difference. Pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class File:
    """A file as a host must have it.

    Args:
        path: absolute, below ``/etc``: the validators see the new ``/etc`` as a whole before it is real.
        content: the whole text.
        mode: permission bits.
        owner: user name on the host.
        group: group name on the host.
        secret: its content is never shown, not even as a difference.
    """

    path: str
    content: str = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False

    def __post_init__(self) -> None:
        """Refuse a path whose content no validator would see."""
        if not self.path.startswith("/etc/"):
            raise ValueError(f"{self.path}: a configuration file lives below /etc")

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def state(self) -> FileState:
        """What a host reports when it has this file."""
        return FileState(self.mode, self.owner, self.group, self.digest)


@dataclass(frozen=True)
class Service:
    """The whole configuration of one service. Shell texts run as root with ``sh -eu``.

    Args:
        name: label in plans; names the folder of its state on the host.
        files: everything we decide about it.
        reload: makes the running service take the new files.
        restart: for a service that is not running, or when one of `restart_for` changed, and to go back.
        unit: systemd unit that must be enabled and active; None when no daemon is behind it.
        check: validates the new files, seeing them in place; must change nothing.
        restart_for: paths whose change a reload does not take up.
        health: proves that the service answers with the new files.
        stop: undoes `restart` where the service did not run before; without it the unit is stopped.
        after: tidies up once the new files are proven; that it failed is told and undoes nothing.
    """

    name: str
    files: tuple[File, ...]
    reload: str = field(repr=False)
    restart: str = field(repr=False)
    unit: str | None = None
    check: str = field(default="true", repr=False)
    restart_for: frozenset[str] = frozenset()
    health: str = field(default="true", repr=False)
    stop: str = field(default="", repr=False)
    after: str = field(default="true", repr=False)

    @property
    def digest(self) -> str:
        """One value for all files and their attributes: what the host notes when it has taken them up."""
        rows = sorted((file.path, *file.state.row) for file in self.files)
        return hashlib.sha256(repr(rows).encode()).hexdigest()


@dataclass(frozen=True)
class FileState:
    """A file as a host has it; `digest` is None for what is no regular file (a link, a folder)."""

    mode: int
    owner: str
    group: str
    digest: str | None

    @property
    def row(self) -> tuple[str, str]:
        """Attributes and content, comparable and hashable."""
        return (self.attributes, str(self.digest))

    @property
    def attributes(self) -> str:
        """Mode and owner as `ls` readers know them: ``0640 root:dovecot``."""
        return f"{self.mode:04o} {self.owner}:{self.group}"


@dataclass(frozen=True)
class Observed:
    """What a host says about a service.

    Args:
        files: by path; a missing file is missing here too.
        applied: the digest noted when the service last took up its files; None if it never did.
        active: the unit runs.
        enabled: the unit starts at boot.
        runnable: False where systemd itself skips the unit (a condition of its own does not hold: chrony in a
            container has no clock to set).
        peer: address from which this very SSH session comes.
        login: the public key it logged in with, base64; None if sshd does not tell.
    """

    files: Mapping[str, FileState]
    applied: str | None = None
    active: bool = False
    enabled: bool = False
    runnable: bool = True
    peer: str | None = None
    login: str | None = None


class Activation(StrEnum):
    """How a service takes up its files."""

    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True)
class Difference:
    """What it takes to converge one service; falsy when nothing.

    Args:
        changed: files that are missing or differ, in the service's order.
        activation: how the service takes them up; None when everything holds already.
        reasons: why it is activated although no file differs.
    """

    changed: tuple[File, ...] = ()
    activation: Activation | None = None
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self.activation is not None


def compare(service: Service, observed: Observed) -> Difference:
    """Find what `observed` lacks of `service`."""
    changed = tuple(file for file in service.files if observed.files.get(file.path) != file.state)
    stopped = service.unit is not None and observed.runnable and not observed.active
    reasons = []
    if stopped and observed.applied:
        reasons.append(f"start {service.unit}, which does not run")
    if service.unit is not None and not observed.enabled:
        reasons.append(f"enable {service.unit} at boot")
    if not changed and observed.applied != service.digest:
        reasons.append("take up the files already in place")
    if not changed and not stopped and not reasons:
        return Difference()
    renewed = any(file.path in service.restart_for for file in changed) or not observed.applied
    activation = Activation.RESTART if stopped or renewed else Activation.RELOAD
    return Difference(changed, activation, tuple(reasons))


def describe(
    service: Service, difference: Difference, observed: Observed, contents: Mapping[str, str]
) -> tuple[str, ...]:
    """Say what `difference` would do: one entry a file or reason, a unified diff below it where there is one.

    Args:
        service: what is wanted.
        difference: from :func:`compare`.
        observed: what the host has.
        contents: present text of changed files, by path; secret files must not be in it.
    """
    lines = [
        _describe_file(service.name, file, observed.files.get(file.path), contents.get(file.path))
        for file in difference.changed
    ]
    return (*lines, *(f"{service.name}: {reason}" for reason in difference.reasons))


def _describe_file(service: str, file: File, present: FileState | None, content: str | None) -> str:
    if present is None:
        return f"{service}: new file {file.path} ({file.state.attributes})"
    changes = []
    if present.attributes != file.state.attributes:
        changes.append(f"{present.attributes} -> {file.state.attributes}")
    if present.digest is None:
        changes.append("becomes a regular file")
    elif present.digest != file.digest:
        changes.append("content changes")
    line = f"{service}: {file.path}: {', '.join(changes)}"
    if file.secret or content is None or present.digest in {None, file.digest}:
        return line
    return "\n".join([line, *unified(file.path, content, file.content)])


def unified(path: str, before: str, after: str) -> Iterable[str]:
    """Unified diff of one file, without context that did not change."""
    return (
        line.rstrip("\n")
        for line in difflib.unified_diff(
            before.splitlines(), after.splitlines(), path, path, lineterm="", n=1
        )
    )


def parse_observed(lines: Sequence[str]) -> Observed:
    """Read what the fact's shell printed.

    Args:
        lines: ``stat MODE USER GROUP TYPE WORDS /path``, ``sum SHA256  /path``, ``applied DIGEST``,
            ``peer IP``, ``login publickey TYPE KEY`` and the ``Key=value`` lines of ``systemctl show``; any
            may be missing.
    """
    stats: dict[str, tuple[int, str, str, bool]] = {}
    sums: dict[str, str] = {}
    notes: dict[str, str] = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "stat":
            attributes, _, path = rest.partition(" /")
            mode, owner, group, *words = attributes.split()
            stats[f"/{path}"] = (int(mode, 8), owner, group, "regular" in words)
        elif kind == "sum":
            digest, _, path = rest.partition("  ")
            sums[path] = digest
        elif "=" in kind:
            key, _, value = line.partition("=")
            notes[key] = value
        else:
            notes[kind] = rest
    tried = notes.get("ConditionTimestampMonotonic") not in {None, "0"}
    return Observed(
        files={
            path: FileState(mode, owner, group, sums.get(path) if regular else None)
            for path, (mode, owner, group, regular) in stats.items()
        },
        applied=notes.get("applied") or None,
        active=notes.get("ActiveState") in {"active", "reloading"},
        enabled=notes.get("UnitFileState") in {"enabled", "static", "alias", "generated"},
        runnable=not (tried and notes.get("ConditionResult") == "no"),
        peer=notes.get("peer") or None,
        login=notes["login"].split()[-1] if notes.get("login") else None,
    )


_WRONG = (
    "error",
    "fatal",
    "invalid",
    "unknown",
    "unused parameter",
    "no space left",
    "failed",
    "cannot",
    "bad ",
)


_LOGGED = re.compile(r"\b(fatal|panic|error):", re.IGNORECASE)
_WARNED = re.compile(r"\bwarning:", re.IGNORECASE)


def reason(output: Sequence[str]) -> str:
    """Put what a script said into one line.

    Args:
        output: its lines; those after a line ``--`` are the log of the service it started.
    """
    lines = [line.strip() for line in output if line.strip()]
    said, log = (lines[: lines.index("--")], lines[lines.index("--") + 1 :]) if "--" in lines else (lines, [])
    telling = (line for line in said if any(word in line.lower() for word in _WRONG))
    line = next(telling, said[-1] if said else "it said nothing")
    logged = next(filter(_LOGGED.search, log), None) or next(filter(_WARNED.search, log), None)
    return line.removeprefix("error: ") + (f" ({logged})" if logged else "")
