"""The pyinfra inventory: `pyinfra inventory/fleet.py deploys/site.py`, from the repository's root.

pyinfra executes this file and takes its public lists as groups of hosts. The fleet file is ``OUTREACH_FLEET``
(`fleet.yaml` without it), the private key ``OUTREACH_SSH_KEY`` (the agent's without it). Host keys are those
pinned beside the fleet file; `outreach apply` pins them at first contact.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from inventory import FleetError, Host, HostsError, allocate, hosts, known_hosts_file, load_fleet
from inventory.addresses import resolve


def _hosts() -> tuple[Host, ...]:
    path = Path(os.environ.get("OUTREACH_FLEET") or "fleet.yaml")
    key = os.environ.get("OUTREACH_SSH_KEY")
    key = str(Path(key).expanduser()) if key else None
    try:
        allocation = allocate(load_fleet(path))
        return hosts(allocation, resolve(allocation), known_hosts=known_hosts_file(path), ssh_key=key)
    except (FleetError, HostsError) as error:
        sys.exit(str(error))


_all = _hosts()
orchestrator = [(host.name, dict(host.data)) for host in _all if "orchestrator" in host.groups]
nodes = [(host.name, dict(host.data)) for host in _all if "nodes" in host.groups]
