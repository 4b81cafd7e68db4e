"""Hosts asked from inside: one script a host, one round trip, over the connections that `apply` uses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from deploys.converge import Reply, ask
from inventory import Host
from status.facts import HostFacts, Inside
from status.wire import script

PATIENCE = 60
"""Seconds for one host's answer, once it is connected; the probe gives up on its own commands before."""

_SCRIPT = """command -v python3 >/dev/null || { echo 'error: python3 is not installed'; exit 1; }
exec python3 -I - "$1" """


def look_inside(hosts: Sequence[Host], questions: Mapping[str, Mapping[str, Any]]) -> dict[str, Inside]:
    """Ask hosts, all at the same time.

    Args:
        hosts: as the inventory describes them.
        questions: what :mod:`status.probe` is to look at, by host.
    """
    if not hosts:
        return {}
    arguments = {host.name: json.dumps(questions[host.name]) for host in hosts}
    replies = ask(hosts, _SCRIPT, arguments, script(), PATIENCE)
    return {name: understood(reply) for name, reply in replies.items()}


def understood(reply: Reply) -> Inside:
    """What a host's answer amounts to."""
    if reply.text is None:
        return Inside(None, reply.problem or "it said nothing", reply.sent, reply.received)
    try:
        facts = HostFacts.model_validate_json(reply.text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problem = f"its answer cannot be understood: {where} {first['msg']}".replace("  ", " ")
        return Inside(None, problem, reply.sent, reply.received)
    return Inside(facts, "", reply.sent, reply.received)
