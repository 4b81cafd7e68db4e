"""The `outreach` command: a thin face over the rooms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cyclopts import App, CycloptsError

app = App(
    name="outreach",
    help="Fleet as code for business e-mail from domains you own.",
)
# Loaded when used, so that `outreach fleet check` does not pay for the providers' SDKs.
app.command("cli.fleet:app", name="fleet")
app.command("cli.lab:app", name="lab")
app.command("cli.costs:app", name="costs")
app.command("cli.accounts:app", name="accounts")
app.command("cli.provision:plan", name="plan")
app.command("cli.provision:apply", name="apply")
app.command("cli.tools:app", name="tools")
app.command("cli.n8n:app", name="n8n")
app.command("cli.backup:app", name="backup")
app.command("cli.backup:restore", name="restore")
app.command("cli.status:status", name="status")
app.command("cli.validate:app", name="validate")
app.command("cli.rehearse:rehearse", name="rehearse")


def main() -> None:
    """Run the command line; the exit status is the command's return value, 1 for words it does not know.

    Cyclopts would end with 2 for those, which `outreach plan` keeps for pending changes.
    """
    try:
        app(exit_on_error=False)
    except CycloptsError:  # it has been printed
        raise SystemExit(1) from None


def fail(message: str) -> NoReturn:
    """End with one clear line on stderr and exit status 1."""
    print(f"outreach: {message}", file=sys.stderr)  # noqa: T201 - the command's own output
    raise SystemExit(1)


@contextmanager
def one_line(*errors: type[Exception]) -> Iterator[None]:
    """End with one clear line and exit status 1 for errors that a person can settle."""
    try:
        yield
    except errors as error:
        fail(str(error))


def write(path: Path, text: str) -> None:
    """Write a command's file; one that cannot be written is one clear line."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
