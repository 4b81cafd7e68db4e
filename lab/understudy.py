"""A fleet file as the lab can host it: the same fleet, the lab's operator let in, every server ordered."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from inventory.document import parse
from lab.addresses import OPERATOR


def understudy(text: str, ssh_keys: Sequence[str], without: Collection[str] = ()) -> str:
    """The fleet file that is rehearsed in place of another.

    Args:
        text: a fleet file that loads without a problem.
        ssh_keys: public keys that operators have in the lab, whole lines.
        without: services of the orchestrator that are left out.

    Returns:
        YAML of the same fleet but for three things: the lab's operator is among `operators.addresses`;
        `operators.ssh_keys` are the given ones; no server has an `ipv4`, since none exists in the lab before.
    """
    fleet: dict[str, Any] = parse(text)  # type: ignore[assignment] # a fleet file is a mapping, or it had not loaded
    operators = fleet["operators"]
    operators["addresses"] = [*operators["addresses"], f"{OPERATOR}/32"]
    operators["ssh_keys"] = list(ssh_keys)
    orchestrator = fleet["orchestrator"]
    if "services" in orchestrator:
        orchestrator["services"] = [name for name in orchestrator["services"] if name not in without]
    for server in (fleet["orchestrator"], *fleet["nodes"]):
        server.pop("ipv4", None)
    return json.dumps(fleet, indent=2, ensure_ascii=False) + "\n"
