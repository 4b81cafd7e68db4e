"""Valkey: the queue between n8n and its workers. Pure."""

from __future__ import annotations

import hashlib

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator.credentials import Credentials

PACKAGES = ("valkey-server", "valkey-tools")
ACCOUNT = "valkey n8n"
"""What its password is derived for."""
MEMORY_MIB = 256
"""n8n keeps a job of some kilobytes for each execution under way, and the last hundred or so that ended."""


def valkey(credentials: Credentials) -> Service:
    """The queue, on loopback, proven by a job that goes in and comes out."""
    password = credentials.password(ACCOUNT)
    digest = hashlib.sha256(password.encode()).hexdigest()
    return Service(
        name="valkey",
        files=(
            File(
                "/etc/valkey/valkey.conf",
                render("valkey/valkey.conf", password_digest=digest, memory_mib=MEMORY_MIB),
                mode=0o640,
                group="valkey",
                secret=True,
            ),
        ),
        unit="valkey-server",
        check=render("valkey/check.sh"),
        reload="systemctl restart valkey-server",
        restart="systemctl reset-failed valkey-server 2>/dev/null || true\nsystemctl restart valkey-server",
        health=render("valkey/health.sh", password=password),
    )
