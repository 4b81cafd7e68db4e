"""How n8n's release gets onto the orchestrator: unpacked beside the one that runs, without a network."""

from __future__ import annotations

from functools import partial

from deploys.n8n.build import build
from deploys.n8n.release import N8nRelease
from deploys.operations.delivery import Delivery

ROOT = "/opt/n8n"
_ROOM = 3000
"""MiB that the archive and what is unpacked from it take."""

_PREPARE = f"""set -eu
umask 022
mkdir -p {ROOT}/.work
free=$(df -Pm {ROOT} | awk 'NR == 2 {{ print $4 }}')
[ "$free" -ge {_ROOM} ] ||
    {{ echo "error: {ROOT} has $free MiB free, n8n needs {_ROOM}: no space left"; exit 1; }}
if echo "$1  {ROOT}/.work/release.tar" | sha256sum --check --status 2>/dev/null; then echo there; fi
"""

# A release gets its name by one rename, once it is whole and on the disk.
_INSTALL = f"""set -u
umask 022
export LC_ALL=C
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/n8n.lock
flock -w 600 9 || {{ echo 'error: another operator is installing n8n here'; exit 1; }}
cd {ROOT} || exit 1
[ ! -d "$1" ] || exit 0
rm -rf .work/new
mkdir .work/new
echo "$2  .work/release.tar" | sha256sum --check --status ||
    {{ echo 'error: the archive came damaged'; exit 1; }}
{{
    nice tar --zstd -xf .work/release.tar -C .work/new --no-same-owner &&
        sync -f .work && mv -T .work/new "$1"
}} >/run/outreach/n8n.log 2>&1 9>&- || {{ tail -n 5 /run/outreach/n8n.log; rm -rf .work/new; exit 1; }}
rm -rf .work
"""


def delivery(release: N8nRelease) -> Delivery:
    """How a release gets onto the orchestrator."""
    return Delivery("n8n", ROOT, release.version, partial(build, release), _PREPARE, _INSTALL)
