"""`outreach accounts`: what a mail client needs to know of each mailbox."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from cli import fail
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from deploys.secrets import SecretError, account_password, root_secret
from inventory import Allocation, allocate

app = App(name="accounts")

IMAP_PORT = 993
SUBMISSION_PORT = 465
TLS = "implicit"
"""Both ports speak TLS from the first byte (RFC 8314 section 3)."""


@app.command
def export(
    fleet: FleetFile = DEFAULT_FILE,
    *,
    format: Annotated[Literal["csv", "json"], Parameter(name="--format")] = "csv",  # noqa: A002 - the option's name
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write to this file, readable by you alone.")
    ] = None,
) -> None:
    """Print every account with its password and servers.

    Passwords are derived from OUTREACH_SECRET, not stored; the same secret gives the same passwords.
    """
    try:
        secret = root_secret()
    except SecretError as error:
        fail(str(error))
    rows = _rows(allocate(read_fleet(fleet)), secret)
    text = _csv(rows) if format == "csv" else json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        _write_private(output, text)
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror})")


def _rows(allocation: Allocation, secret: bytes) -> Iterator[dict[str, str | int]]:
    host = {node.name: node.fqdn for node in allocation.nodes}
    for account in allocation.accounts():
        yield {
            "address": account.address,
            "display_name": account.display_name,
            "username": account.address,
            "password": account_password(secret, account.address),
            "imap_host": host[account.node],
            "imap_port": IMAP_PORT,
            "imap_tls": TLS,
            "smtp_host": host[account.node],
            "smtp_port": SUBMISSION_PORT,
            "smtp_tls": TLS,
        }


def _csv(rows: Iterator[dict[str, str | int]]) -> str:
    """RFC 4180, but with the line end of the system's own tools."""
    first = next(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)
    return out.getvalue()


def _write_private(path: Path, text: str) -> None:
    """Write a file that was never readable by anybody else, not even while it was written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
