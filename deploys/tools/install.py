"""How a release of the project's own tools is installed on a host: a virtual environment of its own."""

from __future__ import annotations

from functools import partial

from deploys.operations.delivery import Delivery
from deploys.tools.build import build
from deploys.tools.release import PYTHON, Release

ROOT = "/opt/outreach"
_ROOM = 250
"""MiB that an installation takes at most, before it drops what it was made from."""

_REQUIRE = f"""
python3 -c 'import sys; sys.exit(sys.version_info[:2] != {PYTHON})' ||
    {{ echo 'error: python3 is not {PYTHON[0]}.{PYTHON[1]}, which releases are made for'; exit 1; }}
"""

# The release is made under its final path, which a venv's scripts and compiled files carry in them, without
# being there yet: in a mount namespace of its own, where /opt/outreach is /opt/outreach/.work. It gets its
# name by one rename once it is whole and on the disk.
_UNPACK = f"""
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
"""


def delivery(release: Release) -> Delivery:
    """How a release gets onto a host."""
    return Delivery("tools", ROOT, release.version, partial(build, release), _ROOM, "lock", _UNPACK, _REQUIRE)
