"""The `outreach` command: a thin face over the rooms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from cyclopts import App, CycloptsError

app = App(
    name="outreach",
    help="Fleet as code for business e-mail from domains you own.",
)


class Command(NamedTuple):
    """A command as the first page of help shows it.

    Attributes:
        where: module and name; loaded when it is used, so that `outreach fleet check` does not pay for the
            providers' SDKs.
        does: said here, since `outreach --help` loads none.
        ends: what its own page adds of how it ends.
    """

    where: str
    does: str
    ends: str = ""


COMMANDS = {
    "fleet": Command("cli.fleet:app", "Check, show and pin the fleet that one file describes."),
    "plan": Command(
        "cli.provision:plan",
        "Show what would change in servers, DNS, nodes and money. Changes nothing.",
        "Exit status: 0 nothing to do, 2 changes pending, 1 error.",
    ),
    "apply": Command(
        "cli.provision:apply",
        "Make the world as the fleet file says. After any failure run it again: it goes on where it stopped.",
        "Exit status: 0 all is as the file says, 1 something is not.",
    ),
    "status": Command(
        "cli.status:status",
        "Look at every host from inside, from here and through DNS; say what is not fine. Changes nothing.",
        "Exit status: 0 all that is required is fine, 2 something required is not, 1 it could not look.",
    ),
    "rehearse": Command(
        "cli.rehearse:rehearse",
        "Boot the fleet as real hosts on this machine, provision it, and prove that mail arrives signed.",
        "Ends with `rehearsal: N checks passed, 0 failed` and exit status 0, or 1 if any check failed.",
    ),
    "validate": Command("cli.validate:app", "Have the fleet's nodes check lists of addresses."),
    "accounts": Command("cli.accounts:app", "Hand the fleet's mailboxes to mail clients."),
    "costs": Command(
        "cli.costs:app", "What the fleet costs now and at any size, what it carries, and what is cheapest."
    ),
    "backup": Command(
        "cli.backup:app", "Back up what only the orchestrator knows, and pull it to where it is kept."
    ),
    "restore": Command(
        "cli.backup:restore",
        "Restore an archive on the orchestrator: databases, queues, and proof that the services come up.",
    ),
    "n8n": Command("cli.n8n:app", "Build n8n's release, and say how to log in to the orchestrator's."),
    "tools": Command("cli.tools:app", "Build the project's own tools as they are pushed onto hosts."),
    "lab": Command(
        "cli.lab:app", "Real Debian hosts, DNS, emulated providers and the far side on this machine."
    ),
}
for _name, _command in COMMANDS.items():
    app.command(_command.where, name=_name, help="\n\n".join(filter(None, _command[1:])))


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
