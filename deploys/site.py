"""The whole deploy of any host, by its role. By hand: ``pyinfra inventory/fleet.py deploys/site.py``.

Every host goes through the same operations in the same order, and those its role has no use for do nothing.
In API mode pyinfra knows an operation by its position alone: different ones at one position would share label
and settings (pyinfra issue 1370).
"""

from __future__ import annotations

import pyinfra
from pyinfra.api.deploy import deploy
from pyinfra.context import host

from deploys.base.deploy import base
from deploys.mail.deploy import mail
from deploys.metrics.deploy import metrics
from deploys.n8n.deploy import n8n
from deploys.orchestrator.deploy import orchestrator, stores
from deploys.packages import packages
from deploys.tools.deploy import python, release_brought, tools
from inventory.settings import settings


@deploy("site")
def site() -> None:
    """Converge the current host of pyinfra's context."""
    current = settings(host.data.dict())
    base(current=current, packages=packages(current))
    mail(current=current)
    release_brought()
    # What keeps state is up before what uses it: the tools, and n8n.
    stores(current=current, python=python())
    tools(current=current)
    orchestrator(current=current, python=python())
    n8n(current=current)
    # Last: it looks at what is there.
    metrics(current=current)


if pyinfra.is_cli:
    site()
