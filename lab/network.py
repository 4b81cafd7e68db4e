"""The lab's network: one namespace with one bridge and no way out.

Hosts are ports of the bridge; operator processes enter the namespace. Nothing in it is connected to this
machine's own network, so no packet can leave, whatever a host tries.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lab.addresses import OPERATOR, PREFIX_LENGTH
from lab.process import LabError, locked, run

BRIDGE = "br0"
_NAMESPACES = Path("/run/netns")

# An operator process sees the lab's resolver. A machine with systemd-resolved is asked past its resolv.conf
# (nss-resolve speaks to a socket in /run/systemd/resolve), so that directory is covered too.
_WITH_RESOLVER = """
if [ -d /run/systemd/resolve ]; then mount -t tmpfs tmpfs /run/systemd/resolve; fi
target=$(readlink -m /etc/resolv.conf)
[ -e "$target" ] || : >"$target"
mount --bind "$0" "$target"
exec "$@"
"""


class Network:
    """The network namespace of one lab.

    Args:
        name: the lab's id; also the namespace's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _NAMESPACES / name

    def up(self) -> None:
        """Make the namespace and its bridge; nothing of it may exist."""
        with _one_at_a_time():
            run(["ip", "netns", "add", self.name])
        for words in (
            "link set lo up",
            f"link add {BRIDGE} type bridge",
            f"addr add {OPERATOR}/{PREFIX_LENGTH} dev {BRIDGE}",
            f"link set {BRIDGE} up",
        ):
            run(["ip", "-netns", self.name, *words.split()])

    def exists(self) -> bool:
        """Whether the namespace is there."""
        return self.path.exists()

    def entering(self, argv: Sequence[str | Path]) -> list[str]:
        """`argv`, made to run in the namespace."""
        return ["nsenter", f"--net={self.path}", *(str(arg) for arg in argv)]

    def entering_as_operator(self, argv: Sequence[str | Path], resolv_conf: Path) -> list[str]:
        """`argv`, made to run in the namespace and to resolve names as `resolv_conf` says."""
        return self.entering(
            ["unshare", "--mount", "sh", "-euc", _WITH_RESOLVER, resolv_conf, *(str(arg) for arg in argv)]
        )

    def down(self) -> None:
        """End what still runs in the namespace and remove it; it need not exist."""
        if not self.exists():
            return
        deadline = time.monotonic() + 30
        while pids := self._pids():
            if time.monotonic() > deadline:
                raise LabError(f"processes {pids} do not leave the network namespace {self.name}")
            for pid in pids:
                _kill(pid)
            time.sleep(0.02)
        with _one_at_a_time():
            run(["ip", "netns", "del", self.name])
            # iproute2 turns the directory into a mount of its own for the first namespace and leaves it.
            if not any(_NAMESPACES.iterdir()) and _NAMESPACES.is_mount():
                run(["umount", _NAMESPACES])

    def _pids(self) -> list[int]:
        return [
            int(pid) for pid in run(["ip", "netns", "pids", self.name]).split() if int(pid) != os.getpid()
        ]


def _one_at_a_time() -> AbstractContextManager[int]:
    """Of all labs: another's first namespace must not come between a look for the last and the unmounting."""
    return locked(_NAMESPACES.parent)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
