"""The services of the orchestrator, all of them or none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deploys.operations.configuration import Service
from deploys.orchestrator import nats, postgresql, reports, valkey
from deploys.orchestrator.credentials import Credentials
from deploys.pki import Trust
from inventory.settings import Settings


@dataclass(frozen=True)
class OrchestratorServices:
    """What runs on the orchestrator; nothing of it on a node."""

    postgresql: Service | None = None
    nats: Service | None = None
    valkey: Service | None = None
    reports: Service | None = None


def packages(host: Settings) -> tuple[str, ...]:
    """Debian packages that a host needs for them."""
    if host.orchestrator is None:
        return ()
    return (
        *postgresql.PACKAGES,
        *nats.PACKAGES,
        *(valkey.PACKAGES if "n8n" in host.orchestrator.services else ()),
    )


def orchestrator_services(
    host: Settings, memory_gib: int, credentials: Credentials, python: str, trust: Trust
) -> OrchestratorServices:
    """Decide the orchestrator's services.

    Args:
        host: a host of any role.
        memory_gib: its memory.
        credentials: asked only on the orchestrator.
        python: an interpreter on the host that has the release's packages.
        trust: what NATS shows itself with.
    """
    if host.orchestrator is None:
        return OrchestratorServices()
    n8n = "n8n" in host.orchestrator.services
    return OrchestratorServices(
        postgresql=postgresql.postgresql(memory_gib, credentials),
        nats=nats.nats(host, python, trust, credentials),
        valkey=valkey.valkey(credentials) if n8n else None,
        reports=reports.reports(host.orchestrator.fleet),
    )
