"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

import os
from functools import cache

from pyinfra.api.deploy import deploy

from deploys.n8n.install import delivery
from deploys.n8n.publishing import published
from deploys.n8n.release import N8nRelease, read_release
from deploys.n8n.services import N8nServices, n8n_services
from deploys.n8n.sheet import sheet_header
from deploys.operations.delivery import delivered
from deploys.operations.service import configure
from deploys.orchestrator.credentials import Credentials
from deploys.secrets import caller_key, root_secret
from deploys.workflows import Workflow, load
from inventory.settings import Settings


@cache
def _release() -> N8nRelease:
    """This checkout's, read once."""
    return read_release()


@deploy("n8n")
def n8n(current: Settings) -> None:
    """Converge n8n on the orchestrator; nothing on another host, or where the fleet file names no n8n.

    Args:
        current: the current host.
    """
    release, wanted, workflows = None, N8nServices(), tuple[Workflow, ...]()
    if current.orchestrator and "n8n" in current.orchestrator.services:
        release, workflows = _release(), load()
        credentials = Credentials(root_secret())
        key = caller_key(root_secret(), "n8n", current.fqdn)
        wanted = n8n_services(current, release.version, credentials, key, sheet_header(os.environ))
    delivered(name="n8n's release", delivery=delivery(release) if release else None)
    configure(name="n8n", service=wanted.n8n)
    configure(name="n8n's credentials", service=wanted.credentials)
    configure(name="Caddy", service=wanted.web)
    published(name="Workflows", workflows=workflows, force=current.force)
