"""`outreach lab`: the lab's hosts and network from the shell."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import App, Parameter

from cli import fail
from lab import Lab, LabError, default_state

app = App(
    name="lab", help="The lab: real Debian hosts, DNS, emulated providers and the far side on this machine."
)

_Words = Annotated[str, Parameter(allow_leading_hyphen=True)]


@app.command
def up() -> None:
    """Bring the lab up; what a crash left is cleared first. The first run builds the images."""
    with _clear_errors():
        _lab().up()


@app.command
def down() -> None:
    """End the lab and leave nothing of it behind."""
    with _clear_errors():
        _lab().down()


@app.command
def env() -> None:
    """Print the lab's environment as `export` lines for a shell."""
    with _clear_errors():
        for name, value in _lab().environment().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


@app.command(name="exec")
def execute(*command: _Words) -> None:
    """Run a command in the lab's network, with its names, endpoints and keys: `outreach lab exec -- CMD`."""
    if not command:
        fail("name a command: outreach lab exec -- CMD")
    with _clear_errors():
        lab = _lab()
        argv = lab.operator_command(command)
        os.execvpe(argv[0], argv, {**os.environ, **lab.environment()})  # noqa: S606 - becomes the command


@app.command
def ssh(host: str, *command: _Words) -> None:
    """Log in to a host as root with the lab's key, or run a command there."""
    with _clear_errors():
        argv = _lab().ssh_command(host, command)
        os.execvp(argv[0], argv)  # noqa: S606 - becomes ssh


def _lab() -> Lab:
    return Lab(default_state())


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except LabError as error:
        fail(str(error))
