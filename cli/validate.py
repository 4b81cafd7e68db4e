"""`outreach validate`: lists checked by the fleet's nodes, handed in at the orchestrator over SSH."""

from __future__ import annotations

import json
import shlex
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli import fail
from cli.fleet import DEFAULT_FILE, FleetFile
from cli.hub import Hub, HubError
from cli.listed import Listed
from cli.results import Results, ResultsError
from validator.rows import InputError, kind_of

app = App(name="validate")

TYPES = {"txt": "text/plain", "csv": "text/csv", "jsonl": "application/x-ndjson"}
OVER = ("DONE", "CANCELLED", "FAILED")
POLL = 1.0
INTERRUPTED = 130

Output = Annotated[Path, Parameter(name=["--output", "-o"], help="csv or jsonl file.")]
Column = Annotated[str, Parameter(help="Address column of a csv, key of a jsonl.")]
Kind = Annotated[str, Parameter(name="--format", help="If the name does not tell: txt, csv, jsonl.")]
Ordered = Annotated[
    bool, Parameter(help="Results in the order of the list, once all are known.", negative="")
]
AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.", negative="")]
Job = dict[str, Any]


@app.command
def bulk(
    source: Annotated[Path, Parameter(name="FILE")],
    /,
    *,
    output: Output,
    fleet: FleetFile = DEFAULT_FILE,
    column: Column = "",
    format_: Kind = "",
    ordered: Ordered = False,
    overwrite: Annotated[bool, Parameter(help="Begin anew over an existing output.", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """Hand a list to the fleet and write down its verdicts as they become known, beside the list's columns.

    Ctrl-C leaves the job running on the fleet, and says how to come back to it.
    """
    kind = _kind(source, format_, output)
    if output.exists() and not overwrite:
        fail(f"{output} exists; --overwrite begins anew")
    with _hub(fleet) as hub, Listed(source, kind, column) as listed:
        try:
            with source.open("rb") as body:
                headers = {"Content-Type": TYPES[kind], "Idempotency-Key": uuid.uuid4().hex}
                path = f"/jobs?column={quote(column, safe='')}" if column else "/jobs"
                job = hub.send(path, body, headers)
        except OSError as error:
            fail(f"{source}: {error.strerror or error}")
        except KeyboardInterrupt:
            fail(
                "stopped while the list was handed in: `outreach validate jobs` says whether it was accepted"
            )
        return _fetch(hub, job, output, listed, ordered=ordered, as_json=as_json)


@app.command
def follow(
    id: str,  # noqa: A002 - the field's name
    source: Annotated[
        Path | None, Parameter(name="FILE", help="The list, for its columns to stand beside the verdicts.")
    ] = None,
    /,
    *,
    output: Output,
    fleet: FleetFile = DEFAULT_FILE,
    column: Column = "",
    format_: Kind = "",
    ordered: Ordered = False,
    as_json: AsJson = False,
) -> int:
    """Write down a job's verdicts, from its first to its last; an output that exists is begun anew."""
    if source is None and (column or format_):
        fail("--column and --format say how to read the list; name it after the job")
    list_ = nullcontext() if source is None else Listed(source, _kind(source, format_, output), column)
    with _hub(fleet) as hub, list_ as listed:
        job = hub.ask("GET", f"/jobs/{quote(id, safe='')}")
        return _fetch(hub, job, output, listed, ordered=ordered, as_json=as_json)


@app.command
def jobs(*, fleet: FleetFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Show the latest jobs that were handed in this way."""
    with _hub(fleet) as hub:
        found: Any = hub.ask("GET", "/jobs")["jobs"]
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    table = Table("job", "state", "done", "of", "created", "says", box=SIMPLE_HEAD)
    for job in found:
        table.add_row(
            job["id"],
            job["state"],
            f"{job['done']:,}",
            f"{job['total']:,}",
            job["created"][:16],
            job["error"],
        )
    Console(markup=False, highlight=False).print(table)


@app.command
def pause(id: str, /, *, fleet: FleetFile = DEFAULT_FILE) -> None:  # noqa: A002
    """Let a job rest."""
    _steer(fleet, id, "pause")


@app.command
def resume(id: str, /, *, fleet: FleetFile = DEFAULT_FILE) -> None:  # noqa: A002
    """Let a paused job go on."""
    _steer(fleet, id, "resume")


@app.command
def cancel(id: str, /, *, fleet: FleetFile = DEFAULT_FILE) -> None:  # noqa: A002
    """Stop a job for good; what is known stays."""
    _steer(fleet, id, "cancel")


def _steer(fleet: Path, job: str, verb: str) -> None:
    with _hub(fleet) as hub:
        found = hub.ask("POST", f"/jobs/{quote(job, safe='')}/{verb}")
    sys.stdout.write(f"{found['id']} {found['state']}: {found['done']:,} of {found['total']:,}\n")


def _kind(source: Path, given: str, output: Path) -> str:
    """How the list is to be read, which the output must not go over."""
    kind = kind_of(str(source), given)
    if kind not in TYPES:
        fail(f"--format {kind}: there are {', '.join(TYPES)}")
    if output.exists() and source.exists() and output.samefile(source):
        fail(f"{output} is the list itself; name another file for the verdicts")
    return kind


def _fetch(hub: Hub, job: Job, output: Path, listed: Listed | None, *, ordered: bool, as_json: bool) -> int:
    """Write results until the job is over."""
    name = job["id"]
    try:
        with Results(output, job["total"], ordered=ordered, listed=listed) as results, _live() as tell:
            while True:
                tell(job)
                over = job["state"] in OVER
                for row in hub.lines(f"/jobs/{name}/results?after={results.last}"):
                    results.add(row)
                if over and results.count >= job["done"]:
                    break
                time.sleep(0 if over else POLL)
                job = hub.ask("GET", f"/jobs/{name}")
    except KeyboardInterrupt:
        sys.stderr.write(
            f"outreach: the fleet goes on with job {name}:\n"
            f"  outreach validate follow {name} {_words(listed, output)}    comes back to it\n"
            f"  outreach validate cancel {name}    stops it\n"
        )
        return INTERRUPTED
    _summary(job, as_json=as_json)
    return 0 if job["state"] == "DONE" else 1


def _words(listed: Listed | None, output: Path) -> str:
    """What `follow` is told beside the job's name to write the same columns to the same file."""
    words: list[str] = []
    if listed is not None:
        words += [str(listed.source), *(["--column", listed.column] if listed.column else [])]
        words += ["--format", listed.kind] if kind_of(str(listed.source)) != listed.kind else []
    return shlex.join([*words, "-o", str(output)])


@contextmanager
def _live() -> Iterator[Any]:
    """What tells a person how far a job is; nobody, where stderr is no terminal."""
    console = Console(stderr=True, markup=False, highlight=False)
    if not console.is_terminal:
        yield lambda _job: None
        return
    with Live(console=console, refresh_per_second=4, transient=True) as line:
        yield lambda job: line.update(standing(job))


def standing(job: Job) -> str:
    """How far a job is, in two lines or three."""
    rate = f"  {job['rate']:,.1f}/s" if job["rate"] else ""
    left = f", {_clock(job['eta_seconds'])} left" if job["eta_seconds"] is not None else ""
    counts = sorted(job["counts"].items(), key=lambda pair: -pair[1])
    lines = [
        f"{job['id']} {job['state']}  {job['done']:,} of {job['total']:,}{rate}{left}",
        "  ".join(f"{status} {count:,}" for status, count in counts[:5]),
        f"in cool-down: {', '.join(job['cooling'][:8])}" if job["cooling"] else "",
        job["error"] or "",
    ]
    return "\n".join(filter(None, lines))


def _summary(job: Job, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(job) + "\n")
        return
    Console(stderr=True, markup=False, highlight=False).print(standing(job))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def _hub(fleet: Path) -> Iterator[Hub]:
    """The orchestrator; what goes wrong ends with one line and status 1."""
    try:
        with Hub(fleet) as hub:
            yield hub
    except (HubError, ResultsError, InputError) as error:
        fail(str(error))
