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
import stat
import subprocess
import threading
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
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(root / "dev")], check=True)
        for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
            os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
            (root / "dev" / name).chmod(0o666)
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        yield root
    finally:
        for path in (root / "proc", root / "dev", root, scratch):
            subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


@contextlib.contextmanager
def syslog(root: Path) -> Iterator[list[str]]:
    """What the tree's daemons say to `/dev/log`."""
    lines: list[str] = []
    path = root / "dev/log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        path.chmod(0o666)

        def listen() -> None:
            while (data := sock.recv(65536)) != b"end":
                lines.append(data.decode("utf-8", "replace"))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield lines
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", str(path))
        thread.join()


@contextlib.contextmanager
def running(root: Path, *command: str, listens: tuple[str, int], output: Path) -> Iterator[None]:
    """A daemon in the tree, in the foreground, until it is no longer wanted."""
    # A process namespace of its own, so that nothing a daemon starts outlives it.
    line = ["unshare", "--pid", "--fork", "chroot", str(root), *command]
    with output.open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(listens, process, output)
        yield
    finally:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)  # the first process of its namespace: all others go with it
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
