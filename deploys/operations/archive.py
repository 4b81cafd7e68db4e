"""Packing what `swap.sh` needs on a host into one text. Pure."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from deploys.operations.configuration import File

SCRIPT = "swap.sh"


def pack(files: Iterable[File], meta: Mapping[str, str], script: str) -> str:
    """Pack files with their modes and owners, then `meta`, then the script: a cut transfer has none to run.

    Args:
        files: go below ``etc/``.
        meta: texts of ``meta/<name>``.
        script: text of ``swap.sh``.

    Returns:
        A tar archive in base64.
    """
    files = tuple(files)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for folder in sorted({parent for file in files for parent in PurePosixPath(file.path).parents}):
            if folder != PurePosixPath("/"):
                _add(tar, str(folder), "", mode=0o755, kind=tarfile.DIRTYPE)
        for file in files:
            _add(tar, file.path, file.content, mode=file.mode, owner=file.owner, group=file.group)
        for name, text in meta.items():
            _add(tar, f"/meta/{name}", text)
        _add(tar, f"/{SCRIPT}", script)
    return base64.b64encode(packed.getvalue()).decode()


def _add(
    tar: tarfile.TarFile,
    path: str,
    text: str,
    *,
    mode: int = 0o600,
    owner: str = "root",
    group: str = "root",
    kind: bytes = tarfile.REGTYPE,
) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    content = text.encode()
    info.size, info.mode, info.type = len(content), mode, kind
    info.uname, info.gname = owner, group  # the host's tar resolves names, numbers differ from host to host
    tar.addfile(info, io.BytesIO(content))
