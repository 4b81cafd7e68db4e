"""The nightly archive of what only this host knows, encrypted to the operators' keys. Pure.

What is in it: both databases, the key that n8n's stored credentials are encrypted with, the queue of messages
and whatever else the REST service keeps in SQLite. What is not, because an `apply` makes it anew: everything
derived from the root secret (passwords, certificates, identities), configuration, packages. The root secret
itself never comes here; `outreach backup` puts it beside the archives, encrypted likewise.
"""

from __future__ import annotations

from collections.abc import Mapping

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.postgresql import DATABASES, account
from deploys.secrets import fingerprint
from deploys.tools.services import STATE
from inventory.settings import Settings

FOLDER = "/var/lib/outreach-backup"
"""Where the archives lie."""
FIGURES = "/var/lib/prometheus/node-exporter"
"""Where Prometheus' exporter looks for figures of others: :data:`deploys.metrics.services.ADDED`."""
UNIT = "outreach-backup"
N8N_KEY = "n8n encryption"
"""What the key is derived for that n8n encrypts stored credentials with."""
HOLDERS = (
    "n8n*.service",
    *("outreach-api.socket", "outreach-api.service"),
    *("outreach-coordinator.service", "outreach-notifier.service"),
)
"""Units that hold any of it; those that run are stopped while a restoration exchanges it."""

_CONFIG, _SECRETS = "/etc/outreach/backup.toml", "/etc/outreach/backup-secrets.toml"
_UNITS = ("outreach-backup.service", "outreach-backup.timer", "outreach-backup-failed.service")


def backups(host: Settings, credentials: Credentials, telegram_url: str) -> Service:
    """The timer and what it starts; where the fleet file has no `backups`, what ends them.

    Args:
        host: the orchestrator.
        credentials: of its databases.
        telegram_url: a local Bot API server; empty for Telegram's.
    """
    wanted = host.orchestrator.backups if host.orchestrator else None
    config = File(
        _CONFIG,
        render(
            "backup/backup.toml",
            host=host,
            secret=fingerprint(credentials.secret),
            recipients=wanted.recipients if wanted else (),
            keep_days=wanted.keep_days if wanted else 1,
            folder=FOLDER,
            databases=DATABASES,
            state=STATE,
            holders=HOLDERS,
        ),
    )
    if wanted is None:
        end = render("backup/end.sh", units=_UNITS, secrets=_SECRETS)
        return Service(name="backup", files=(config,), reload=end, restart=end)
    secrets = render("backup/backup-secrets.toml", passwords=_passwords(credentials), key=_key(credentials))
    unit = {"folder": FOLDER, "state": STATE, "secrets": _SECRETS, "telegram_url": telegram_url}
    unit["figures"] = FIGURES
    restart = f"systemctl daemon-reload\nsystemctl restart {UNIT}.timer"
    return Service(
        name="backup",
        files=(
            config,
            # systemd hands it to the unit (LoadCredential=); nobody else reads it.
            File(_SECRETS, secrets, mode=0o600, secret=True),
            *(
                File(f"/etc/systemd/system/{name}", render(f"backup/{name}", hour=wanted.hour, **unit))
                for name in _UNITS
            ),
        ),
        unit=f"{UNIT}.timer",
        check=f"/opt/outreach/current/bin/{UNIT} check",
        reload=restart,
        restart=restart,
        health=f"systemctl -q is-active {UNIT}.timer",
    )


def _passwords(credentials: Credentials) -> Mapping[str, str]:
    return {database: credentials.password(account(database)) for database in DATABASES}


def _key(credentials: Credentials) -> str:
    return credentials.password(N8N_KEY)
