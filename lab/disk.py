"""Write a host's own files into the upper layer of its disk before it boots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.images import Image

FILES = Path(__file__).with_name("files")
_ENABLED = "etc/systemd/system/multi-user.target.wants"


class Disk:
    """The upper layer of a host's disk.

    Args:
        upper: its directory; it is made.
        image: what lies below; new directories take owner and mode from there.
    """

    def __init__(self, upper: Path, image: Image) -> None:
        self.upper = upper
        self.image = image
        upper.mkdir(parents=True)
        upper.chmod(0o755)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, owned by root; `path` is as the host sees it."""
        target = self._place(path)
        target.write_text(text)
        target.chmod(mode)

    def install(self, tree_name: str, files: Mapping[str, str], units: Sequence[str]) -> None:
        """Lay the tree `lab/files/<tree_name>` over the disk, then `files`, and start `units` at boot."""
        tree = FILES / tree_name
        for source in sorted(path for path in tree.rglob("*") if path.is_file()):
            target = self._place(str(source.relative_to(tree)))
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
        for path, text in files.items():
            self.write(path, text)
        for unit in units:
            self.enable(unit)

    def seal(self) -> None:
        """Mark the disk as up to date after the last write, or systemd rebuilds caches at the first boot."""
        for path in ("/etc/.updated", "/var/.updated"):  # systemd-update-done.service(8)
            self.write(path, "")

    def enable(self, unit: str) -> None:
        """Have systemd start a unit at boot."""
        link = self._place(f"{_ENABLED}/{unit}")
        link.symlink_to(f"/usr/lib/systemd/system/{unit}")

    def _place(self, path: str) -> Path:
        target = self.upper / path.lstrip("/")
        inside = [parent for parent in target.parents if self.upper in parent.parents]
        for directory in reversed(inside):
            if not directory.exists():
                directory.mkdir()
                self._like_below(directory)
        return target

    def _like_below(self, directory: Path) -> None:
        for layer in self.image.layers:
            below = layer / directory.relative_to(self.upper)
            if below.is_dir():
                status = below.stat()
                os.chown(directory, status.st_uid, status.st_gid)
                directory.chmod(status.st_mode & 0o7777)
                return
        directory.chmod(0o755)
