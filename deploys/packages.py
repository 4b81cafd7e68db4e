"""Which Debian packages a host needs, by its role: what each service names, in one list. Pure."""

from __future__ import annotations

from deploys.base.services import PACKAGES as BASE
from deploys.mail.services import PACKAGES as MAIL
from deploys.metrics.services import packages as metrics
from deploys.n8n.services import packages as n8n
from deploys.orchestrator.services import packages as orchestrator
from deploys.tools.services import PACKAGES as TOOLS
from inventory.settings import Settings


def packages(host: Settings) -> tuple[str, ...]:
    """The packages of a host of any role; all are installed in one go."""
    return (
        *BASE,
        *TOOLS,
        *(MAIL if host.sends_mail else ()),
        *orchestrator(host),
        *n8n(host),
        *metrics(host),
    )
