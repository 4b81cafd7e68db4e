"""The report on the orchestrator, whose REST service hands it out at `/reports/status`."""

from __future__ import annotations

from inventory import Host
from inventory.places import REPORTS
from status.ssh import ask, shell

PATIENCE = 60.0
"""Seconds for the orchestrator, once it is connected."""

# Whole or not at all: its readers come at any time.
SCRIPT = """set -eu
umask 022
mkdir -p "$1"
new=$(mktemp "$1/.status.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
chmod 644 "$new"
mv "$new" "$1/status.json"
echo published"""


def published(orchestrator: Host | None, text: str) -> str:
    """Put a report there.

    Args:
        orchestrator: as the inventory describes it; None while it has no address.
        text: the report, JSON.

    Returns:
        Why it is not there; empty if it is.
    """
    if orchestrator is None:
        return "the orchestrator has no address"
    reply = ask([orchestrator], lambda _: shell(SCRIPT, REPORTS), text, PATIENCE)[orchestrator.name]
    if (reply.text or "").strip() == "published":
        return ""
    return reply.problem or reply.text or "it said nothing"
