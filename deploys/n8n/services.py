"""n8n, its workers and the web server before them, as whole configurations. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from deploys.n8n.install import ROOT
from deploys.n8n.owner import ACCOUNT, owner_address
from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator import postgresql, valkey
from deploys.orchestrator.credentials import Credentials
from inventory.settings import Settings

PACKAGES = ("caddy", "zstd")
UNIT = "n8n"
FOLDER = "/etc/outreach/n8n"
WEBHOOK_HEADER = "X-Webhook-Key"
SHEET_HEADER = "X-Sheet-Key"

_CONCURRENCY = 5  # executions at a time of one worker; n8n's documentation advises no fewer


@dataclass(frozen=True)
class N8nServices:
    """What n8n needs on the orchestrator; all of it or nothing."""

    n8n: Service | None = None
    credentials: Service | None = None
    web: Service | None = None


def packages(host: Settings) -> tuple[str, ...]:
    """Debian packages that a host needs for it."""
    return PACKAGES if host.orchestrator and "n8n" in host.orchestrator.services else ()


def webhook_key(secret: bytes) -> str:
    """What whoever calls a workflow's webhook sends in :data:`WEBHOOK_HEADER`."""
    return Credentials(secret).password("n8n webhook")


def sheet_key(secret: bytes) -> str:
    """What n8n sends to the leads' sheet in :data:`SHEET_HEADER`, where nothing else is configured."""
    return Credentials(secret).password("n8n sheet")


def n8n_services(
    host: Settings,
    version: str,
    credentials: Credentials,
    api_key: str,
    sheet: tuple[str, str] | None = None,
) -> N8nServices:
    """Decide n8n's services.

    Args:
        host: a host of any role.
        version: of the release that is to be the current one.
        credentials: asked only where n8n runs.
        api_key: n8n's key to the orchestrator's own REST service.
        sheet: header and value that the leads' sheet asks for; a derived key without it.
    """
    if host.orchestrator is None or "n8n" not in host.orchestrator.services:
        return N8nServices()
    return N8nServices(
        _n8n(host, host.orchestrator.n8n_workers, version, credentials),
        _credentials(credentials, api_key, sheet),
        _web(host),
    )


def _n8n(host: Settings, workers: int, version: str, credentials: Credentials) -> Service:
    place = {"root": ROOT, "folder": FOLDER}
    names = range(1, workers + 1)
    switch = render("n8n/switch.sh", workers=names, **place)
    environment = render("n8n/env", fqdn=host.fqdn, owner=owner_address(host.infra_domain), **place)
    return Service(
        name="n8n",
        files=(
            File(f"{FOLDER}/release", f"{version}\n"),
            File(f"{FOLDER}/env", environment),
            _secret("encryption-key", credentials.password("n8n encryption")),
            _secret("owner-hash", credentials.bcrypt(ACCOUNT)),
            _secret("database-password", credentials.password(postgresql.account("n8n"))),
            _secret("queue-password", credentials.password(valkey.ACCOUNT)),
            # For root, who publishes the workflows.
            File(f"{FOLDER}/owner-password", credentials.password(ACCOUNT), mode=0o600, secret=True),
            File("/etc/systemd/system/n8n.service", render("n8n/n8n.service", workers=names, **place)),
            File(
                "/etc/systemd/system/n8n-worker@.service",
                render("n8n/n8n-worker@.service", concurrency=_CONCURRENCY, **place),
            ),
        ),
        unit=UNIT,
        check=render("n8n/check.sh", **place),
        reload=switch,
        restart=switch,
        health=render("n8n/health.sh", workers=names),
        stop=render("n8n/stop.sh", **place),
        after=render("n8n/prune.sh", **place),
    )


def _credentials(credentials: Credentials, api_key: str, sheet: tuple[str, str] | None) -> Service:
    """What the workflows name by id: n8n encrypts it and keeps it in its database."""
    headers = {
        "OutreachApiKey01": ("Outreach API key", "X-API-Key", api_key),
        "OutreachHook0001": ("Leads webhook", WEBHOOK_HEADER, webhook_key(credentials.secret)),
        "OutreachSheet001": ("Leads sheet", *(sheet or (SHEET_HEADER, sheet_key(credentials.secret)))),
    }
    document = [
        {"id": key, "name": name, "type": "httpHeaderAuth", "data": {"name": header, "value": value}}
        for key, (name, header, value) in headers.items()
    ]
    imported = render("n8n/import.sh", root=ROOT, folder=FOLDER)
    return Service(
        name="n8n-credentials",
        files=(_secret("credentials.json", json.dumps(document, indent=1) + "\n"),),
        reload=imported,
        restart=imported,
    )


def _web(host: Settings) -> Service:
    return Service(
        name="caddy",
        files=(
            File("/etc/caddy/Caddyfile", render("caddy/Caddyfile", fqdn=host.fqdn)),
            File("/etc/systemd/system/caddy.service.d/outreach.conf", render("caddy/unit.conf")),
        ),
        unit="caddy",
        check=render("caddy/check.sh"),
        reload="systemctl reload caddy",
        restart="systemctl daemon-reload\nsystemctl restart caddy",
        restart_for=frozenset({"/etc/systemd/system/caddy.service.d/outreach.conf"}),
        health=render("caddy/health.sh", fqdn=host.fqdn),
    )


def _secret(name: str, content: str) -> File:
    return File(f"{FOLDER}/{name}", content, mode=0o640, group="n8n", secret=True)
