"""Building n8n's release on the operator's machine, once: npm installs what the lock names, tar packs it.

No script of any package is run. What npm has downloaded stays in its own cache, so that a build that was
ended half way does not download it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploys.builds import ReleaseError, alone, cause, prune, run_tool
from deploys.cache import cache_path
from deploys.n8n.release import LEFT_OUT, N8nRelease

SECONDS = 3600
"""Of npm, and for whoever waits for another build: about 2,000 packages, some minutes on a quiet machine."""
KEPT = 1
"""Archives that stay beside the one in use."""

_ROOM = 4096  # MiB that an installation takes while it is packed
_NPM = (
    *("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"),
    # What it is for, whatever machine it is built on: Debian 13 on x86_64.
    *("--os=linux", "--cpu=x64", "--libc=glibc"),
)


def archive_path(release: N8nRelease) -> Path:
    """Where the release's archive is, or will be."""
    return cache_path() / "n8n" / f"{release.version}.tar.zst"


def build(release: N8nRelease) -> Path:
    """Build the release, unless it is there already.

    Returns:
        A tar archive, compressed by zstd: ``node_modules/`` with n8n and the Node.js that runs it.

    Raises:
        ReleaseError: npm is missing, no package registry is reached, or the disk is full.
    """
    path = archive_path(release)
    with alone(path.parent, SECONDS):
        if path.exists():
            os.utime(path)
            return path
        _require("npm", "tar", "zstd")
        try:
            for left in path.parent.glob(".part-*"):  # by a builder that was killed
                shutil.rmtree(left)
            _require_room(path.parent)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as part:
                _install(release, Path(part))
                _pack(Path(part), Path(part, "archive")).replace(path)
        except OSError as error:
            raise ReleaseError(f"{path} cannot be written: {error.strerror}") from None
        prune(path.parent, "*.tar.zst", path, KEPT)
    return path


def _require(*tools: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise ReleaseError(
            f"{missing[0]} is not installed, and n8n is built with it: apt-get install npm zstd,"
            " or take n8n out of orchestrator.services"
        )


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free >> 20
    if free < _ROOM:
        raise ReleaseError(
            f"{folder} has {free} MiB free, building n8n takes {_ROOM}; make room, or set OUTREACH_CACHE"
        )


def _install(release: N8nRelease, part: Path) -> None:
    (part / "package.json").write_text(release.package, "utf-8")
    (part / "package-lock.json").write_text(release.lock, "utf-8")
    done = run_tool(_NPM, part, SECONDS)
    if done.returncode:
        raise ReleaseError(
            f"n8n's packages cannot be installed ({cause(done.stderr)});"
            " where a package registry is reached, run `outreach n8n build`"
        )


def _pack(part: Path, archive: Path) -> Path:
    """Write the archive: sorted and dated alike, so that equal packages make equal bytes."""
    tar = ["tar", "--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    tar += [f"--exclude={pattern}" for pattern in LEFT_OUT]
    compress = ["zstd", "-q", "-6", "-T0", "-o", str(archive)]
    with subprocess.Popen([*tar, "node_modules"], cwd=part, stdout=subprocess.PIPE) as packing:
        packed = subprocess.run(compress, stdin=packing.stdout, capture_output=True, text=True, check=False)
    if packing.returncode or packed.returncode:
        raise ReleaseError(f"n8n cannot be packed: {cause(packed.stderr)}")
    return archive
