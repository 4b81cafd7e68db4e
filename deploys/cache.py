"""Where what is dear to make is kept outside a checkout: releases for nodes, images, downloaded packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder; nobody has made it yet.

    `$OUTREACH_CACHE`, else `$XDG_CACHE_HOME/outreach`, else root's `/var/cache/outreach` or
    `~/.cache/outreach`.
    """
    if environ.get("OUTREACH_CACHE"):
        return Path(environ["OUTREACH_CACHE"])
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"], "outreach")
    return Path("/var/cache/outreach") if os.geteuid() == 0 else Path.home() / ".cache/outreach"
