"""Hosts asked from inside: one round trip a host."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from inventory import Host
from status.facts import HostFacts, Inside
from status.ssh import Reply, ask, shell
from status.wire import script

PATIENCE = 60.0
"""Seconds for one host's answer, once it is connected; the probe gives up on its own commands before."""

_SCRIPT = """command -v python3 >/dev/null || { echo 'error: python3 is not installed'; exit 1; }
exec python3 -I - "$1" """

Questions = Mapping[str, Mapping[str, Any]]
"""What :mod:`status.probe` is to look at, by host."""


def look_inside(hosts: Sequence[Host], questions: Questions) -> dict[str, Inside]:
    """Ask hosts by the probe that is sent along, as who may do anything there."""
    return _look(hosts, lambda name: shell(_SCRIPT, json.dumps(questions[name])), script())


def look_by_their_own(hosts: Sequence[Host], questions: Questions) -> dict[str, Inside]:
    """Ask hosts by the probe that they have, with a key that may do nothing else there."""
    return _look(hosts, lambda name: json.dumps(questions[name]), "")


def _look(hosts: Sequence[Host], command: Callable[[str], str], stdin: str) -> dict[str, Inside]:
    replies = ask(hosts, command, stdin, PATIENCE)
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
