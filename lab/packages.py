"""Packages for hosts that have no route out: a caching proxy outside the lab's network, its door inside.

squid runs in this machine's own network and fetches from the image's mirrors alone; systemd-socket-proxyd
carries connections to it from a socket in the lab's namespace. Both are killed with the lab; the store stays,
and is whole: squid enters a file in its index once it is complete.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import stat
import time
from collections.abc import Collection
from pathlib import Path

from lab.addresses import OPERATOR, PACKAGE_PROXY_PORT
from lab.cache import cache_directory
from lab.cgroup import Cgroup
from lab.network import Network
from lab.process import LabError, cause

_STORES = 8
_USER = "proxy"
_PROXYD = "/lib/systemd/systemd-socket-proxyd"

# .deb and by-hash files never change under their name; other indexes are asked for anew each time.
_SQUID = """\
http_port 127.0.0.1:{port}
visible_hostname outreach-lab
acl mirrors dstdomain {mirrors}
acl http port 80
http_access allow mirrors http
# One failed look-up or connection must not fail every host for a minute, as it does by default.
negative_dns_ttl 1 second
connect_retries 3
http_access deny all
cache_dir ufs {directory}/store 8192 16 64
maximum_object_size 512 MB
cache_mem 32 MB
collapsed_forwarding on
refresh_pattern -i \\.deb$ 525600 100% 525600 override-expire
refresh_pattern /by-hash/ 525600 100% 525600 override-expire
refresh_pattern . 0 20% 4320
access_log stdio:{directory}/access.log
cache_log {directory}/cache.log
pid_filename none
coredump_dir {directory}
netdb_filename none
pinger_enable off
forwarded_for delete
via off
"""


class PackageCache:
    """The package proxy of one lab.

    Args:
        squid: control group of the proxy.
        relay: control group of its door.
        log: file that takes what both say.
    """

    def __init__(self, squid: Cgroup, relay: Cgroup, log: Path) -> None:
        self.squid = squid
        self.relay = relay
        self.log = log

    def up(self, network: Network, mirrors: Collection[str]) -> None:
        """Start both; neither may run.

        Args:
            network: where the door opens.
            mirrors: host names that may be fetched from.
        """
        port = self._start_squid(mirrors)
        outside = f"/proc/{self.squid.pids()[0]}/ns/net"
        listen = ["systemd-socket-activate", "-l", f"{OPERATOR}:{PACKAGE_PROXY_PORT}"]
        relay = ["nsenter", f"--net={outside}", _PROXYD, f"127.0.0.1:{port}"]
        self.relay.start(network.entering([*listen, *relay]), self.log)

    def running(self) -> bool:
        """Whether both still run."""
        return self.squid.populated() and self.relay.populated()

    def _start_squid(self, mirrors: Collection[str]) -> int:
        directory, lock = _free_store()
        try:
            port = _free_port()
            configuration = _prepare(directory, port, mirrors)
            # The shell stays squid's parent and so holds the lock: squid closes what it did not open itself.
            # A name of its own: squids that start at the same time take each other's shared memory otherwise.
            script = 'squid -n "$1" -N -z -f "$0" && squid -n "$1" -N -f "$0"'
            name = directory.name.replace("-", "")
            self.squid.start(["sh", "-c", script, configuration, name], self.log, keep_open=(lock,))
        finally:
            os.close(lock)
        said = directory / "cache.log"
        deadline = time.monotonic() + 60
        while self.squid.populated() and time.monotonic() < deadline:
            # Its own word: someone else may have taken the port since, and would answer a connection too.
            if said.exists() and "Accepting HTTP Socket connections" in said.read_text(errors="replace"):
                return port
            time.sleep(0.02)
        raise LabError(f"squid does not start: {cause((said if said.exists() else self.log).read_text())}")


def _free_store() -> tuple[Path, int]:
    # squid owns its store alone, so each lab that is up takes the first store that no other lab holds.
    for slot in range(_STORES):
        directory = cache_directory() / f"packages-{slot}"
        directory.mkdir(exist_ok=True)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return directory, lock
    raise LabError(
        f"all {_STORES} package stores in {cache_directory()} are held by other labs; take one down"
    )


def _prepare(directory: Path, port: int, mirrors: Collection[str]) -> Path:
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        raise LabError(f"user {_USER} is missing: squid is not installed; ./run installs it") from None
    for parent in directory.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise LabError(
                f"squid's user {_USER} cannot enter {parent}; set OUTREACH_CACHE to a place it can"
            )
    os.chown(directory, user.pw_uid, user.pw_gid)
    for log in directory.glob("*.log"):
        log.unlink()
    configuration = directory / "squid.conf"
    configuration.write_text(_SQUID.format(port=port, mirrors=" ".join(sorted(mirrors)), directory=directory))
    return configuration


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
