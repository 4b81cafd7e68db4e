"""A no-op apply over a fleet in the lab: ours against the same work by Ansible, in turn.

    .venv/bin/python benchmarks/converge/run.py [--rounds 3] [--fleet FILE]

As root, once `./run rehearse` or `./run test` has set the machine up. Boots the fleet in a lab of its own
(`$OUTREACH_LAB`, else beside the package cache), applies it, writes the same work as an Ansible project
(playbook.py) and times both A B A B. Each run is a process from start to end that must report nothing to
change. The lab is taken down at the end, come what may.

Equal on both sides: packages; content, mode and owner of every file; every unit; every key; user, private
key and pinned host keys of the connections. Proven before anything is timed: Ansible finds nothing to
change on hosts that we converged; it finds and mends the one file whose mode was then made wrong; and we
find nothing to change after that.

Only ours has to read the providers (servers, firewalls, PTR, every DNS record), render the templates, hash
the passwords, read the DKIM public keys back for DNS, and check that each service took up the files it has.
Ansible is at its best: files come ready made, one task loops over all files of a service, no facts are
gathered, 20 forks, pipelining, and SSH connections (ControlPersist) that outlive a run and may serve the
next.

Not compared: a first apply; strategies and connection plug-ins of third parties (Mitogen); pull mode. The
hosts share the cores of this machine with whoever configures them, and there is no latency between them. So
CPU is shown beside the seconds, where it was spent: by the operator's processes, and by the lab (its hosts
and, for ours, the emulated providers).
"""

from __future__ import annotations

import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from contest import Contest, ContestError, Timing
from cyclopts import run as run_command
from playbook import Work
from rich.console import Console
from rich.table import Table

from lab import Lab, LabError
from lab.cache import cache_directory

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
OURS, THEIRS = "outreach apply", "ansible-playbook"
RUNS: Mapping[str, Callable[[Contest], None]] = {
    OURS: Contest.ours,
    THEIRS: Contest.theirs,
    "(apply --only servers,dns)": partial(Contest.ours, only="servers,dns"),
}
"""What each round times, in this order. The last is a part of the first: all of it but the hosts."""


def main(*, fleet: Path = HERE / "fleet.yaml", rounds: int = 3) -> int:
    """Boot, converge, prove the work equal, time both in turn, and print the table.

    Args:
        fleet: the fleet to converge.
        rounds: runs of each.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lab is taken down then, too
    try:
        ansible = ansible_commands()
        lab = Lab(Path(os.environ.get("OUTREACH_LAB") or cache_directory() / "benchmark" / "lab"))
        lab.down()
        try:
            print("booting a lab and applying the fleet to it", flush=True)
            lab.up()
            contest = Contest(lab, fleet, ansible)
            print(_subject(contest.prepare()), flush=True)
            _show(_compete(contest, rounds))
        finally:
            lab.down()
    except (ContestError, LabError) as error:
        sys.stderr.write(f"benchmark: {error}\n")
        return 1
    return 0


def ansible_commands() -> Path:
    """Directory of Ansible's commands, in an environment that is made on first use.

    Raises:
        ContestError: it cannot be installed.
    """
    wanted = REQUIREMENTS.read_bytes() + sys.version.encode()
    environment = cache_directory() / "benchmark" / f"ansible-{sha256(wanted).hexdigest()[:12]}"
    ready = environment / "ready"
    if not ready.exists():
        print("installing Ansible into an environment of its own", flush=True)
        pip = [str(environment / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
            subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        except subprocess.CalledProcessError as error:
            raise ContestError(f"Ansible cannot be installed into {environment}: {error}") from None
        ready.touch()
    return environment / "bin"


def _compete(contest: Contest, rounds: int) -> dict[str, list[Timing]]:
    timings: dict[str, list[Timing]] = {name: [] for name in RUNS}
    for number in range(1, rounds + 1):
        for name, act in RUNS.items():
            timings[name].append(contest.measured(partial(act, contest)))
            print(f"round {number}: {name} {timings[name][-1].seconds:.1f} s", flush=True)
    return timings


def _subject(work: Mapping[str, Work]) -> str:
    files = sum(len(service.files) for wanted in work.values() for service in wanted.services)
    births = sum(len(wanted.births) for wanted in work.values())
    units = sum(len(wanted.units) for wanted in work.values())
    pinned = REQUIREMENTS.read_text().split()[-1].replace("==", " ")
    return (
        f"{len(work)} hosts: {files} files, {births} keys, {units} units, {len(work)} lists of packages\n"
        f"outreach-engine {version('outreach-engine')}, pyinfra {version('pyinfra')}, {pinned}, "
        f"Python {platform.python_version()}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def _show(timings: Mapping[str, Sequence[Timing]]) -> None:
    """Print each run, the medians, and how many times ours Ansible's are."""
    rounds = range(len(timings[OURS]))
    table = Table("seconds", *(f"run {n + 1}" for n in rounds), "median", "CPU here", "CPU in the lab")
    rows = {name: _row(runs) for name, runs in timings.items()}
    for name, row in rows.items():
        table.add_row(name, *(f"{figure:.1f}" for figure in row))
    ratios = (theirs / ours for ours, theirs in zip(rows[OURS], rows[THEIRS], strict=True))
    table.add_row("ratio", *(f"{ratio:.1f}" for ratio in ratios))
    Console(width=110).print(table)


def _row(runs: Sequence[Timing]) -> list[float]:
    """The seconds of each run, then the medians of seconds and of CPU in both places."""
    seconds = [run.seconds for run in runs]
    operator, lab = [run.operator_cpu for run in runs], [run.lab_cpu for run in runs]
    return [*seconds, *(statistics.median(figures) for figures in (seconds, operator, lab))]


if __name__ == "__main__":
    sys.exit(run_command(main))
