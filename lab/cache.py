"""What is dear to make and safe to keep outside a checkout: images and downloaded packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploys.cache import cache_path
from lab.process import LabError


def cache_directory() -> Path:
    """The cache's folder, made if missing: see :func:`deploys.cache.cache_path`."""
    path = cache_path()
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
