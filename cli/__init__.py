"""The `outreach` command: a thin face over the rooms."""

from __future__ import annotations

import sys
from typing import NoReturn

from cyclopts import App

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
app.command("cli.rehearse:rehearse", name="rehearse")


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()


def fail(message: str) -> NoReturn:
    """End with one clear line on stderr and exit status 1."""
    print(f"outreach: {message}", file=sys.stderr)  # noqa: T201 - the command's own output
    raise SystemExit(1)
