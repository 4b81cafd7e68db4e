"""What the orchestrator has besides: databases, and n8n with its queue and its web server."""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from deploys.base.settings import Settings
from deploys.operations.service import configure
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.memory import MemoryGib
from deploys.orchestrator.services import OrchestratorServices, orchestrator_services
from deploys.secrets import root_secret
from deploys.tools.telegram import telegram


@deploy("orchestrator")
def orchestrator(current: Settings) -> None:
    """Converge the orchestrator's services; nothing on a node.

    Args:
        current: the current host.
    """
    wanted = OrchestratorServices()
    if current.orchestrator:
        wanted = orchestrator_services(
            current, host.get_fact(MemoryGib), Credentials(root_secret()), telegram().base_url
        )
    # What keeps n8n's state is up before n8n is.
    configure(name="PostgreSQL", service=wanted.postgresql)
    configure(name="Valkey", service=wanted.valkey)
    # Last: it looks whether it could back up what is there.
    configure(name="Backups", service=wanted.backups)
