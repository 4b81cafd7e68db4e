"""A rehearsal: the whole fleet of one file on this machine, from an empty world to mail that arrives signed.

It runs the commands a person would run, `outreach plan` and `outreach apply`, as processes of their own where
an operator stands: in the lab's network, with the lab's environment. Nothing in them knows of the lab.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.lab import Lab
from lab.process import cause
from lab.proofs import Check
from lab.understudy import understudy

CHANGES_PENDING = 2
_INDENT = " " * 7


class StoppedError(Exception):
    """A phase failed, and what follows stands on it."""


@dataclass
class Report:
    """What a rehearsal showed.

    Args:
        checks: every promise that was tried, in order.
        seconds: how long each phase took.
        second_apply_changes: what an apply right after the first still wanted to change; None if not reached.
        cost: the fleet's monthly cost, as one line; empty if not reached.
    """

    checks: list[Check] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    second_apply_changes: int | None = None
    cost: str = ""

    @property
    def failed(self) -> int:
        """How many checks did not hold."""
        return sum(not check.passed for check in self.checks)

    @property
    def passed(self) -> int:
        """How many checks held."""
        return len(self.checks) - self.failed

    def as_json(self) -> dict[str, Any]:
        """The report for machines; `seconds.total` is the sum of its phases."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "passed": self.passed,
            "failed": self.failed,
            "second_apply_changes": self.second_apply_changes,
            "cost": self.cost,
            "seconds": {"total": round(sum(self.seconds.values()), 1), **self.seconds},
        }


class Rehearsal:
    """One rehearsal of one fleet file.

    Args:
        lab: where it happens; what it holds from before is cleared.
        fleet: the fleet file. Its understudy is rehearsed; host keys of the lab stay out of the checkout.
        say: told each phase as it begins and each check as it is known.
        without: services of the orchestrator that are left out.
    """

    def __init__(
        self, lab: Lab, fleet: Path, say: Callable[[str], None], without: Collection[str] = ()
    ) -> None:
        self.lab = lab
        self.source = fleet
        self.say = say
        self.without = without
        self.report = Report()
        self._began = time.monotonic()
        self.fleet = lab.state / "fleet" / fleet.name
        self.plan_file = lab.state / "fleet" / "plan.json"

    def run(self) -> Report:
        """Rehearse; a failed phase ends it, and what was not reached counts as failed."""
        phases: dict[str, Callable[[], None]] = {
            "lab": self._set_up,
            "plan": self._plan,
            "apply": self._apply,
            "second apply": self._apply_again,
            "proofs": self._prove,
            "cost": self._cost,
        }
        todo = iter(phases.items())
        for name, phase in todo:
            self.say(f"== {name}")
            try:
                with self._timed(name):
                    phase()
            except StoppedError:
                for later, _ in todo:
                    self._check(later, False, f"not reached: {name} failed")
        return self.report

    def _set_up(self) -> None:
        self.lab.down()
        self.lab.up()
        self.fleet.parent.mkdir()
        key = (self.lab.state / "ssh/id_ed25519.pub").read_text().strip()
        self.fleet.write_text(understudy(self.source.read_text("utf-8"), [key], self.without), "utf-8")

    def _plan(self) -> None:
        done = self._outreach("plan", "--out", self.plan_file)
        self._must(
            "plan names everything that is to be made",
            done.returncode == CHANGES_PENDING,
            f"exit {done.returncode}, {CHANGES_PENDING} means changes pending",
        )

    def _apply(self) -> None:
        done = self._outreach("apply", "--plan", self.plan_file, "--yes")
        self._must(
            "apply carries out exactly the saved plan", done.returncode == 0, f"exit {done.returncode}"
        )

    def _apply_again(self) -> None:
        done = self._outreach("apply", "--yes", "--json", captured=True)
        if done.returncode:
            self._must(
                "a second apply changes nothing", False, f"exit {done.returncode}: {cause(done.stderr)}"
            )
        summary = json.loads(done.stdout)["plan"]["summary"]
        changes = summary["create"] + summary["update"] + summary["delete"]
        self.report.second_apply_changes = changes
        self._check("a second apply changes nothing", changes == 0, f"{changes} changes")

    def _prove(self) -> None:
        argv = [sys.executable, "-m", "lab.proofs", str(self.lab.state), str(self.fleet)]
        with self._popen(argv) as proofs:
            for line in proofs.stdout or ():
                self._add(Check(**json.loads(line)))
        if proofs.returncode:
            self._check("proofs", False, f"ended with {proofs.returncode} before all were tried")

    def _cost(self) -> None:
        done = self._outreach("costs", "budget", "--format", "json", captured=True)
        if done.returncode:
            self._must("the fleet's cost is known", False, cause(done.stderr))
        budget = json.loads(done.stdout)
        self.report.cost = f"{budget['total_monthly']} {budget['currency']} a month"
        self._check("the fleet's cost is known", True, self.report.cost)

    def _outreach(self, *words: str | Path, captured: bool = False) -> subprocess.CompletedProcess[str]:
        """Run our own command as an operator would; its output goes to the terminal unless captured."""
        command = [Path(sys.executable).with_name("outreach"), *words, "--fleet", self.fleet]
        return subprocess.run(
            self.lab.operator_command([str(word) for word in command]),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=captured,
            text=True,
            check=False,
        )

    def _popen(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.lab.operator_command(argv), env=self._environment(), stdout=subprocess.PIPE, text=True
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.lab.environment()}

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        self._began = time.monotonic()
        try:
            yield
        finally:
            self.report.seconds[phase] = round(time.monotonic() - self._began, 1)

    def _must(self, name: str, passed: bool, evidence: str) -> None:
        self._check(name, passed, evidence)
        if not passed:
            raise StoppedError

    def _check(self, name: str, passed: bool, evidence: str) -> None:
        self._add(Check(name, passed, evidence, round(time.monotonic() - self._began, 2)))

    def _add(self, check: Check) -> None:
        self.report.checks.append(check)
        self.say(f"{'ok  ' if check.passed else 'FAIL'} {check.name}")
        self.say(textwrap.fill(check.evidence, 100, initial_indent=_INDENT, subsequent_indent=_INDENT))
