"""What is dear to make and safe to keep outside a checkout: images and downloaded packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.process import LabError


def cache_directory() -> Path:
    """`$OUTREACH_CACHE`, else `$XDG_CACHE_HOME/outreach`, else `/var/cache/outreach`; made if missing."""
    if "OUTREACH_CACHE" in os.environ:
        path = Path(os.environ["OUTREACH_CACHE"])
    elif "XDG_CACHE_HOME" in os.environ:
        path = Path(os.environ["XDG_CACHE_HOME"], "outreach")
    else:
        path = Path("/var/cache/outreach")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot make the cache {path}: {error.strerror}; set OUTREACH_CACHE") from None
    return path.resolve()


def require_space(path: Path, needed: int) -> None:
    """Raise :class:`LabError` unless the file system of `path` has `needed` bytes free."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise LabError(
            f"{path} has {free >> 20} MiB free and the lab needs {needed >> 20} MiB; make room there"
        )
