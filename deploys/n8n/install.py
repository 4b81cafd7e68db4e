"""How n8n's release gets onto the orchestrator: unpacked beside the one that runs, without a network."""

from __future__ import annotations

from functools import partial

from deploys.n8n.build import build
from deploys.n8n.release import N8nRelease
from deploys.operations.delivery import Delivery

ROOT = "/opt/n8n"
_ROOM = 3000
"""MiB that the archive and what is unpacked from it take."""

# A release gets its name by one rename, once it is whole and on the disk.
_UNPACK = """
rm -rf .work/new
mkdir .work/new
{
    nice tar --zstd -xf .work/release.tar -C .work/new --no-same-owner &&
        sync -f .work && mv -T .work/new "$1"
} >/run/outreach/n8n.log 2>&1 9>&- || { tail -n 5 /run/outreach/n8n.log; rm -rf .work/new; exit 1; }
"""


def delivery(release: N8nRelease) -> Delivery:
    """How a release gets onto the orchestrator."""
    return Delivery("n8n", ROOT, release.version, partial(build, release), _ROOM, "n8n.lock", _UNPACK)
