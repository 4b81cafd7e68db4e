"""The services of the orchestrator, all of them or none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deploys.base.settings import Settings
from deploys.operations.configuration import Service
from deploys.orchestrator import backups, postgresql, valkey
from deploys.orchestrator.credentials import Credentials


@dataclass(frozen=True)
class OrchestratorServices:
    """What runs on the orchestrator; nothing of it on a node."""

    postgresql: Service | None = None
    valkey: Service | None = None
    backups: Service | None = None


def packages(host: Settings) -> tuple[str, ...]:
    """Debian packages that a host needs for them."""
    if host.orchestrator is None:
        return ()
    return (*postgresql.PACKAGES, *(valkey.PACKAGES if "n8n" in host.orchestrator.services else ()))


def orchestrator_services(
    host: Settings, memory_gib: int, credentials: Credentials, telegram_url: str = ""
) -> OrchestratorServices:
    """Decide the orchestrator's services.

    Args:
        host: a host of any role.
        memory_gib: its memory.
        credentials: asked only on the orchestrator.
        telegram_url: a local Bot API server; empty for Telegram's.
    """
    if host.orchestrator is None:
        return OrchestratorServices()
    n8n = "n8n" in host.orchestrator.services
    return OrchestratorServices(
        postgresql=postgresql.postgresql(memory_gib, credentials),
        valkey=valkey.valkey(credentials) if n8n else None,
        backups=backups.backups(host, credentials, telegram_url),
    )
