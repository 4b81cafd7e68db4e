"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

import os
from pathlib import Path

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from deploys import pki
from deploys.operations.configuration import Service
from deploys.operations.service import configure
from deploys.orchestrator.backups import backups
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.memory import MemoryGib
from deploys.orchestrator.services import OrchestratorServices, orchestrator_services
from deploys.orchestrator.watch import Asked, watch
from deploys.secrets import root_secret
from deploys.telegram import telegram
from deploys.watchkey import watch_key
from inventory.dqs import dqs_key
from inventory.settings import Settings


@deploy("stores")
def stores(current: Settings, python: str) -> None:
    """Converge what keeps the orchestrator's state, before anything that uses it; nothing on a node.

    Args:
        current: the current host.
        python: the interpreter of the release that is there by now.
    """
    wanted = _services(current, python)
    configure(name="PostgreSQL", service=wanted.postgresql)
    configure(name="NATS", service=wanted.nats)


@deploy("orchestrator")
def orchestrator(current: Settings, python: str) -> None:
    """Converge the orchestrator's other services; nothing on a node.

    Args:
        current: the current host.
        python: the interpreter of the release.
    """
    wanted = _services(current, python)
    configure(name="Valkey", service=wanted.valkey)
    configure(name="Reports", service=wanted.reports)
    configure(name="Status", service=_watch(current))
    # Last: it looks whether it could back up what is there.
    configure(name="Backups", service=_backups(current))


def _backups(current: Settings) -> Service | None:
    if current.orchestrator is None:
        return None
    return backups(current, Credentials(root_secret()), telegram().base_url)


def _watch(current: Settings) -> Service | None:
    if current.orchestrator is None:
        return None
    file = Path(current.known_hosts)
    pins = file.read_text(encoding="utf-8") if file.is_file() else ""
    key = watch_key(root_secret(), current.infra_domain)
    asked = Asked(os.environ.get("OUTREACH_VIA", ""), telegram().base_url, dqs_key(os.environ))
    return watch(current.orchestrator.fleet, pins, key, asked)


def _services(current: Settings, python: str) -> OrchestratorServices:
    if current.orchestrator is None:
        return OrchestratorServices()
    secret = root_secret()
    trust = pki.trust(secret, current.infra_domain, current.fqdn, current.ipv4)
    return orchestrator_services(current, host.get_fact(MemoryGib), Credentials(secret), python, trust)
