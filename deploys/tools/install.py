"""How a release of the project's own tools is installed on a host: a virtual environment of its own."""

from __future__ import annotations

from functools import partial

from deploys.operations.delivery import Delivery
from deploys.tools.build import build
from deploys.tools.release import PYTHON, Release

ROOT = "/opt/outreach"
_ROOM = 250
"""MiB that an installation takes at most, before it drops what it was made from."""

_PREPARE = f"""set -eu
umask 022
mkdir -p {ROOT}/.work
python3 -c 'import sys; sys.exit(sys.version_info[:2] != {PYTHON})' ||
    {{ echo 'error: python3 is not {PYTHON[0]}.{PYTHON[1]}, which releases are made for'; exit 1; }}
free=$(df -Pm {ROOT} | awk 'NR == 2 {{ print $4 }}')
[ "$free" -ge {_ROOM} ] ||
    {{ echo "error: {ROOT} has $free MiB free, an installation needs {_ROOM}: no space left"; exit 1; }}
if echo "$1  {ROOT}/.work/release.tar" | sha256sum --check --status 2>/dev/null; then echo there; fi
"""

# The release is made under its final path, which a venv's scripts and compiled files carry in them, without
# being there yet: in a mount namespace of its own, where /opt/outreach is /opt/outreach/.work. It gets its
# name by one rename once it is whole and on the disk.
_INSTALL = f"""set -u
umask 022
export LC_ALL=C
trap '' HUP PIPE
mkdir -p /run/outreach
exec 9>/run/outreach/lock
flock -w 300 9 || {{ echo 'error: another operator is changing this host'; exit 1; }}
cd {ROOT} || exit 1
[ ! -d "$1" ] || exit 0
echo "$2  .work/release.tar" | sha256sum --check --status ||
    {{ echo 'error: the archive came damaged'; exit 1; }}
drop() {{ find .work -mindepth 1 -maxdepth 1 ! -name release.tar -exec rm -rf {{}} +; }}
drop
{{
    mkdir .work/from && tar -xf .work/release.tar -C .work/from &&
        nice unshare -m sh -eu -c '
            mount --bind {ROOT}/.work {ROOT}
            cd {ROOT}/from
            python3 -m venv --without-pip "{ROOT}/$1"
            python="{ROOT}/$1/bin/python"
            pip=$(echo wheels/pip-*.whl)
            "$python" "$pip/pip" install --quiet --no-index --no-deps --require-hashes --no-compile \\
                --no-cache-dir --root-user-action=ignore --disable-pip-version-check -r requirements.txt
            "$python" -m compileall -q -j0 "{ROOT}/$1/lib"
        ' sh "$1" && sync -f .work && mv -T ".work/$1" "$1"
}} >/run/outreach/release.log 2>&1 9>&- || {{ tail -n 30 /run/outreach/release.log; drop; exit 1; }}
rm -rf .work
"""


def delivery(release: Release) -> Delivery:
    """How a release gets onto a host."""
    return Delivery("tools", ROOT, release.version, partial(build, release), _PREPARE, _INSTALL)
