"""`outreach lab`: the lab's hosts and network from the shell."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.status import Status
from rich.table import Table

from cli import fail, one_line
from lab import Lab, LabError, default_state

app = App(name="lab")

_Words = Annotated[str, Parameter(allow_leading_hyphen=True)]


@app.command
def up() -> None:
    """Bring the lab up; what a crash left is cleared first. The first run builds the images."""
    with one_line(LabError), _progress():
        lab = _lab()
        lab.up()
    sys.stdout.write(f"{lab.id} is up: `outreach lab status` shows it, `outreach lab down` ends it\n")


@app.command
def down() -> None:
    """End the lab and leave nothing of it behind."""
    with one_line(LabError):
        _lab().down()


@app.command
def status(*, as_json: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Show what runs and the memory it holds; exit status 1 if the lab is not up.

    Args:
        as_json: print it as JSON.
    """
    with one_line(LabError):
        lab = _lab()
        up, parts = lab.is_up(), lab.status()
    if as_json:
        found = {"lab": lab.id, "up": up, "parts": [asdict(part) for part in parts]}
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return 0 if up else 1
    table = Table("part", "address", "processes", "memory", title=f"{lab.id}: {'up' if up else 'not up'}")
    for part in parts:
        table.add_row(part.name, part.address, str(part.processes or "none"), f"{part.memory >> 20} MiB")
    Console().print(table)
    return 0 if up else 1


@app.command
def env() -> None:
    """Print the lab's environment as `export` lines for a shell."""
    with one_line(LabError):
        for name, value in _lab().environment().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


@app.command(name="exec")
def execute(*command: _Words) -> None:
    """Run a command in the lab's network, with its names, endpoints and keys: `outreach lab exec -- CMD`."""
    if not command:
        fail("name a command: outreach lab exec -- CMD")
    with one_line(LabError):
        lab = _lab()
        argv = lab.operator_command(command)
        os.execvpe(argv[0], argv, {**os.environ, **lab.environment()})  # noqa: S606 - becomes the command


@app.command
def ssh(host: str, *command: _Words) -> None:
    """Log in to a host as root with the lab's key, or run a command there."""
    with one_line(LabError):
        argv = _lab().ssh_command(host, command)
        os.execvp(argv[0], argv)  # noqa: S606 - becomes ssh


def _lab() -> Lab:
    return Lab(default_state())


class _Shown(logging.Handler):
    """Shows each log line in place of the one before."""

    def __init__(self, status: Status) -> None:
        super().__init__(logging.INFO)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        self._status.update(record.getMessage())


@contextmanager
def _progress() -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    source = logging.getLogger("lab")
    with console.status("bringing the lab up") as status:
        handler = _Shown(status)
        source.addHandler(handler)
        source.setLevel(logging.INFO)
        yield
        source.removeHandler(handler)
