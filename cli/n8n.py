"""`outreach n8n`: who logs in to n8n, and the release that `outreach apply` puts on the orchestrator."""

from __future__ import annotations

import os
import sys

from cyclopts import App

from cli import fail
from cli.builds import report_build
from cli.fleet import DEFAULT_FILE, FleetFile, read_fleet
from deploys.n8n.build import build as built
from deploys.n8n.owner import owner_address, owner_password
from deploys.n8n.release import read_release
from deploys.n8n.services import WEBHOOK_HEADER, webhook_key
from deploys.secrets import SecretError, root_secret
from inventory import allocate

app = App(name="n8n")


@app.command
def login(fleet: FleetFile = DEFAULT_FILE) -> None:
    """Print where n8n is, who logs in there and how, and the header that its webhooks ask for.

    All of it is derived from OUTREACH_SECRET.
    """
    allocation = allocate(read_fleet(fleet))
    try:
        secret = root_secret(os.environ)
    except SecretError as error:
        fail(str(error))
    address = owner_address(allocation.fleet.infra_domain)
    lines = {
        "at": f"https://{allocation.orchestrator.fqdn}/",
        "login": address,
        "password": owner_password(secret),
        "webhooks": f"{WEBHOOK_HEADER}: {webhook_key(secret)}",
    }
    sys.stdout.writelines(f"{name:10}{value}\n" for name, value in lines.items())


@app.command
def build() -> None:
    """Build n8n's release, unless it is there; needs npm, and a package registry the first time.

    `outreach apply` does it by itself. Where that runs without a way out, this goes before.
    """
    report_build("n8n", read_release, built)
