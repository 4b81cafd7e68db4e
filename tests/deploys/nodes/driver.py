"""An operator's process: does one thing to the hosts that standard input describes, and prints the outcome.

A process of its own, because pyinfra wants the standard library patched before anything else is imported, and
because operators sit in the lab's network. `BROKEN_TEMPLATES` names a folder whose templates are found first,
`RELEASE_CHECKOUT` another checkout to make the hosts' release of.
"""

from gevent.monkey import patch_all

patch_all()

import json  # noqa: E402 - patched first
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import jinja2  # noqa: E402

from deploys.converge import converge, dkim_public_keys, preview  # noqa: E402
from deploys.hostkeys import learn  # noqa: E402
from deploys.operations import render, service  # noqa: E402
from deploys.tools import release  # noqa: E402
from inventory import Host  # noqa: E402


def main(verb: str, hosts: Sequence[Host]) -> dict[str, Any]:
    """Do `verb`; what it returns, JSON-plain."""
    if folder := os.environ.get("BROKEN_TEMPLATES"):
        found = render.ENVIRONMENT.loader
        assert found is not None
        render.ENVIRONMENT.loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder), found])
    if checkout := os.environ.get("RELEASE_CHECKOUT"):
        release.CHECKOUT = Path(checkout)
    if script := os.environ.get("SWAP_SCRIPT"):
        service.SWAP = Path(script)
    if verb == "learn":
        known_hosts = Path(hosts[0].data["ssh_known_hosts_file"])
        return {name: asdict(contact) for name, contact in learn(hosts, known_hosts, timeout=20).items()}
    if verb == "keys":
        return dkim_public_keys(hosts)
    if verb == "preview":
        return {name: asdict(report) for name, report in preview(hosts)[0].items()}
    events: list[str] = []
    reports = converge(hosts, lambda event: events.append(f"{event.host} {event.operation} {event.step}"))
    return {name: asdict(report) for name, report in reports.items()} | {"events": events}


if __name__ == "__main__":
    json.dump(main(sys.argv[1], [Host(**host) for host in json.load(sys.stdin)]), sys.stdout)
