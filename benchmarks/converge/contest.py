"""One fleet in one lab, and two ways of converging it."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from playbook import Work, work_of, write

from deploys.secrets import account_password, password_hash, root_secret
from deploys.watchkey import watch_key
from inventory import allocate, hosts, known_hosts_file, load_fleet
from lab import Lab

OUTREACH = Path(sys.executable).with_name("outreach")
_RECAP = re.compile(r"^\S+ +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)
_TELLING = ("fatal:", "failed", "ERROR", "[ERROR]", "outreach:")


class ContestError(Exception):
    """What was to be compared is not there; the text is one line."""


@dataclass(frozen=True)
class Timing:
    """One run.

    Args:
        seconds: from its start to its end.
        operator_cpu: CPU seconds of the operator's processes.
        lab_cpu: CPU seconds of the lab's, hosts and emulated providers together.
    """

    seconds: float
    operator_cpu: float
    lab_cpu: float


@dataclass(frozen=True)
class Derived:
    """The passwords of a fleet, from its root secret."""

    secret: bytes

    def password(self, address: str) -> str:
        """See :class:`deploys.mail.services.Passwords`."""
        return account_password(self.secret, address)

    def hash(self, address: str) -> str:
        """See :class:`deploys.mail.services.Passwords`."""
        return password_hash(self.secret, address)


class Contest:
    """One fleet in one lab, and both ways of converging it.

    Args:
        lab: up.
        fleet: a fleet file; a copy in the lab's state is applied.
        ansible: directory of Ansible's commands.
    """

    def __init__(self, lab: Lab, fleet: Path, ansible: Path) -> None:
        self._lab = lab
        self._ansible = ansible
        self._project = lab.state / "ansible"
        self._fleet = lab.state / "fleet" / fleet.name
        self._fleet.parent.mkdir()
        shutil.copy(fleet, self._fleet)

    def prepare(self) -> Mapping[str, Work]:
        """Order and converge the hosts, write the Ansible project, and prove that both want the same.

        Returns:
            The work by host.

        Raises:
            ContestError: they do not.
        """
        self._apply()
        self.ours()
        work = self._write_project()
        self._require_whole(work)
        self.theirs()
        victim, wanted = list(work.items())[-1]
        file = wanted.services[-1].files[-1].path
        self._lab.run(victim, ["chmod", "600", file])
        if (found := self._play("--limit", victim)) != 2:  # the file, and the handler it notifies
            raise ContestError(f"Ansible made {found} changes where the mode of {victim}:{file} was wrong")
        self.ours()
        return work

    def ours(self, only: str = "servers,dns,nodes") -> None:
        """An apply that must find nothing to change.

        Args:
            only: the areas to apply.

        Raises:
            ContestError: it did, or it failed.
        """
        summary = json.loads(self._apply("--json", "--only", only))["plan"]["summary"]
        if any(summary[action] for action in ("create", "update", "delete")):
            raise ContestError(f"outreach apply had something to change: {summary}")

    def theirs(self) -> None:
        """A run of the playbook that must find nothing to change.

        Raises:
            ContestError: it did, or it failed.
        """
        if changes := self._play():
            raise ContestError(f"Ansible had {changes} things to change on hosts that we converged")

    def measured(self, act: Callable[[], None]) -> Timing:
        """Time a run."""
        started, operator, lab = time.monotonic(), _children_cpu(), self._lab_cpu()
        act()
        return Timing(time.monotonic() - started, _children_cpu() - operator, self._lab_cpu() - lab)

    def _apply(self, *words: str) -> str:
        done = self._as_operator([OUTREACH, "apply", "--yes", "--fleet", self._fleet, *words])
        if done.returncode:
            raise ContestError(f"outreach apply: exit {done.returncode}: {_cause(done.stderr)}")
        return done.stdout

    def _play(self, *words: str) -> int:
        """Run the playbook; returns how many changes it made."""
        environ = {"ANSIBLE_CONFIG": str(self._project / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
        done = self._as_operator(
            [self._ansible / "ansible-playbook", self._project / "site.yaml", *words], environ
        )
        recap = [[int(count) for count in row] for row in _RECAP.findall(done.stdout)]
        if done.returncode or not recap or any(unreached + failed for _, unreached, failed in recap):
            said = _cause(done.stdout + done.stderr)
            raise ContestError(f"ansible-playbook: exit {done.returncode}: {said}")
        return sum(changed for changed, _, _ in recap)

    def _as_operator(
        self, argv: Sequence[str | Path], environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where operators are, with the lab's endpoints and keys."""
        return subprocess.run(
            self._lab.operator_command([str(word) for word in argv]),
            env={**os.environ, **self._lab.environment(), **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _write_project(self) -> Mapping[str, Work]:
        environ = self._lab.environment()
        allocation = allocate(load_fleet(self._fleet, environ))
        known_hosts, key = known_hosts_file(self._fleet), environ["OUTREACH_SSH_KEY"]
        names = [server.name for server in allocation.servers]
        addresses = {name: self._lab.hosts.spec(name).addresses[0] for name in names}
        passwords = Derived(root_secret(environ))
        watcher = watch_key(root_secret(environ), allocation.fleet.infra_domain).public
        work = {
            host.name: work_of(host, passwords, watcher)
            for host in hosts(allocation, addresses, known_hosts=known_hosts, ssh_key=key)
        }
        idle = {
            name: {unit for unit in wanted.units if not self._runs(name, unit)}
            for name, wanted in work.items()
        }
        write(self._project, work, idle, Path(key), known_hosts)
        return work

    def _require_whole(self, work: Mapping[str, Work]) -> None:
        """Make sure that playbook.py knows every service that our deploys have."""
        for name, wanted in work.items():
            applied = set(self._lab.run(name, ["ls", "/var/lib/outreach"]).stdout.split())
            if applied != {service.name for service in wanted.services}:
                raise ContestError(f"playbook.py is not up to date: on {name} we converge {sorted(applied)}")

    def _runs(self, host: str, unit: str) -> bool:
        asked = self._lab.run(host, ["systemctl", "is-active", unit], check=False)
        return asked.stdout.strip() == "active"

    def _lab_cpu(self) -> float:
        """CPU seconds that everything in the lab has used so far (cgroup-v2.rst, "cpu.stat")."""
        text = (self._lab.cgroup.path / "cpu.stat").read_text()
        return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cause(output: str) -> str:
    """The line of a command's output that says what went wrong: the first with a failure, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)]
    return (telling[:1] or lines[-1:] or ["it said nothing"])[0][:500]
