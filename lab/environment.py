"""What operator processes find in their environment: emulated providers, and secrets of this lab alone."""

from __future__ import annotations

import secrets
from pathlib import Path

from lab.addresses import ACME_DIRECTORY, CLOUDFLARE_PORT, CONTABO_PORT, HETZNER_PORT, OPERATOR, TELEGRAM_PORT
from lab.far_side import DOMAIN


def new_environment(ssh_key: Path, acme_ca: Path) -> dict[str, str]:
    """Endpoints and fresh secrets, under the names that `.env.example` documents.

    Args:
        ssh_key: the lab's private key.
        acme_ca: certificate of who signed for the ACME directory.
    """
    contabo = f"http://{OPERATOR}:{CONTABO_PORT}"
    return {
        "HCLOUD_ENDPOINT": f"http://{OPERATOR}:{HETZNER_PORT}/v1",
        "HCLOUD_TOKEN": secrets.token_hex(32),
        "CLOUDFLARE_BASE_URL": f"http://{OPERATOR}:{CLOUDFLARE_PORT}/client/v4",
        "CLOUDFLARE_API_TOKEN": secrets.token_urlsafe(30),
        "CONTABO_API_URL": contabo,
        "CONTABO_TOKEN_URL": f"{contabo}/auth/realms/contabo/protocol/openid-connect/token",
        "CONTABO_CLIENT_ID": f"DE-{secrets.randbelow(10**8):08}",
        "CONTABO_CLIENT_SECRET": secrets.token_urlsafe(24),
        "CONTABO_API_USER": "operator@lab.example",
        "CONTABO_API_PASSWORD": secrets.token_urlsafe(24),
        "TELEGRAM_BASE_URL": f"http://{OPERATOR}:{TELEGRAM_PORT}",
        "TELEGRAM_BOT_TOKEN": f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}",
        "TELEGRAM_CHAT_ID": f"-100{secrets.randbelow(10**9) + 10**9}",
        "ACME_DIRECTORY": ACME_DIRECTORY,
        "ACME_CA": str(acme_ca),
        "OUTREACH_VIA": DOMAIN,
        # Not the operator's real one: nothing of a lab is ever sent by a real bot.
        "NOTIFIER_OUTBOX": str(ssh_key.parents[1] / "outbox.sqlite3"),
        "OUTREACH_SSH_KEY": str(ssh_key),
        "OUTREACH_SECRET": secrets.token_hex(32),
    }
