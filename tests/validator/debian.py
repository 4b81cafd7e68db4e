"""Postfix, Exim, OpenSMTPD and postgrey of Debian in one directory tree, each run in it by chroot.

The three mail servers exclude each other as packages, so Postfix is installed and the others are unpacked
beside it. Built once; the directory's name carries the recipe's hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

UNPACK = r"""
set -eu
chroot "$1" sh -eu -c '
    cd /tmp
    packages="exim4-daemon-light exim4-base opensmtpd"
    libraries=$(apt-cache depends $packages | sed -n "s/^ *Depends: \(lib[^ <]*\)$/\1/p" | sort -u)
    apt-get install -qq -y --no-install-recommends $libraries >/dev/null
    apt-get download -qq $packages
    for deb in *.deb; do dpkg -x $deb /unpacked; done
    cp -a /unpacked/. / && rm -rf /unpacked *.deb
    groupadd -rf opensmtpd && useradd -rg opensmtpd -d /nonexistent opensmtpd
    groupadd -rf opensmtpq && useradd -rg opensmtpq -d /nonexistent opensmtpq
    groupadd -rf Debian-exim && useradd -rg Debian-exim -d /var/spool/exim4 Debian-exim
    useradd -m joe && useradd -m ann
'
"""
BOOTSTRAP = [
    "mmdebstrap",
    "--variant=minbase",
    "--include=postfix,postgrey",
    "--dpkgopt=force-unsafe-io",
    '--aptopt=Acquire::Languages "none"',
    "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
    f"--customize-hook={UNPACK}",
    "trixie",
]


def tree() -> Path:
    """The directory, built if it is not there."""
    cache = Path(os.environ.get("OUTREACH_CACHE", "/var/cache/outreach"))
    name = hashlib.blake2b("\0".join(BOOTSTRAP).encode(), digest_size=6).hexdigest()
    wanted = cache / f"mail-servers-{name}"
    if not wanted.exists():
        building = cache / f"mail-servers-{name}.{os.getpid()}"
        building.mkdir(parents=True)
        try:
            subprocess.run([*BOOTSTRAP, str(building)], check=True, capture_output=True, timeout=900)
            building.rename(wanted)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return wanted


@contextlib.contextmanager
def overlay(scratch: Path) -> Iterator[Path]:
    """A writable view of the tree, gone afterwards."""
    lower = tree()
    upper, work, root = scratch / "upper", scratch / "work", scratch / "root"
    for path in (upper, work, root):
        path.mkdir()
    # A tmpfs, since an overlay cannot lie on another overlay.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(scratch)], check=True)
    for path in (upper, work, root):
        path.mkdir()
    try:
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)], check=True)
        subprocess.run(["mount", "--rbind", "/dev", str(root / "dev")], check=True)
        subprocess.run(["mount", "--make-rslave", str(root / "dev")], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        yield root
    finally:
        for path in (root / "proc", root / "dev", root, scratch):
            subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


@contextlib.contextmanager
def running(root: Path, *command: str, listens: tuple[str, int], output: Path) -> Iterator[None]:
    """A daemon in the tree, in the foreground, until it is no longer wanted."""
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["chroot", str(root), *command], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(listens, process, output)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(listens: tuple[str, int], process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(listens, 1):
            return
        time.sleep(0.1)
    raise AssertionError(f"does not listen on {listens}: {output.read_text('utf-8', 'replace')[-2000:]}")
