"""NATS JetStream: what carries the fleet's work between the orchestrator and its nodes. Pure."""

from __future__ import annotations

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator.credentials import Credentials
from deploys.pki import Trust
from engine.subjects import Server, accounts_part, server_part
from inventory.settings import Settings

PACKAGES = ("nats-server",)
UNIT = "nats-server"
PORT = 4222
MONITOR = "127.0.0.1:8222"
STORE = "/var/lib/nats"
MOST_FILE = 4 << 30
"""Bytes that the streams may take; the engine's two ask for three of these four GiB (`engine.pace`)."""

_MAIN, _ACCOUNTS = "/etc/nats-server.conf", "/etc/nats/accounts.conf"
_AUTHORITY, _CERTIFICATE, _KEY = (f"/etc/nats/{name}" for name in ("ca.crt", "tls.crt", "tls.key"))
_DROP_IN = "/etc/systemd/system/nats-server.service.d/outreach.conf"


def url(orchestrator_ipv4: str) -> str:
    """Where NATS is, for every host of the fleet: the certificate holds for the address too."""
    return f"tls://{orchestrator_ipv4}:{PORT}"


def nats(host: Settings, python: str, trust: Trust, credentials: Credentials) -> Service:
    """The server: an identity for each host, which may use its own subjects only; proven by a login.

    Args:
        host: the orchestrator.
        python: an interpreter there that has the release's packages.
        trust: the fleet's authority, and the host's own certificate by it.
        credentials: of the identities.
    """
    server = Server(f"{host.ipv4}:{PORT}", STORE, MOST_FILE, MONITOR, _CERTIFICATE, _KEY)
    nodes = host.orchestrator.nodes if host.orchestrator else {}
    accounts = accounts_part(
        credentials.identity(host.label).public, {name: credentials.identity(name).public for name in nodes}
    )
    files = (
        File(_MAIN, f'# Written by outreach.\n{server_part(server)}include "nats/accounts.conf"\n'),
        File(_ACCOUNTS, f"# Written by outreach: public keys, and what each may do.\n{accounts}"),
        File(_AUTHORITY, trust.authority),
        File(_CERTIFICATE, trust.own.certificate),
        File(_KEY, trust.own.key, mode=0o640, group="nats", secret=True),
        File(_DROP_IN, render("nats/unit.conf")),
    )
    return Service(
        name="nats",
        files=files,
        unit=UNIT,
        check=render("nats/check.sh"),
        reload=f"systemctl reload {UNIT}",
        restart=(
            f"systemctl daemon-reload\nsystemctl reset-failed {UNIT} 2>/dev/null || true\n"
            f"systemctl restart {UNIT}"
        ),
        # Who may come, and the certificate, are taken up while work goes on.
        restart_for=frozenset({_MAIN, _DROP_IN}),
        health=render(
            "nats/health.sh",
            python=python,
            monitor=MONITOR,
            url=url(host.ipv4),
            authority=_AUTHORITY,
            seed=credentials.identity(host.label).seed,
            files=[_MAIN, _ACCOUNTS],
        ),
    )
