"""Nodes that are hosts of their own as far as the network goes, and that can be cut off from it.

Each node has a network namespace with one address, behind a bridge on this side; a cut is a port taken out
of the bridge: both ends see a link that is up and hear nothing more. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

OURS = "203.0.113.1"
"""Where NATS and DNS listen for the nodes (RFC 5737: an address that is nobody's)."""
MAC = "02:00:00:00:00:01"
"""Of the bridge; locally administered."""


class Network:
    """A bridge and a namespace a node.

    Args:
        nodes: Their names.
        hosts: How many further addresses this side has, for mail servers.
    """

    def __init__(self, nodes: Sequence[str], *, hosts: int = 0) -> None:
        self._bridge = f"oe{os.getpid() % 100_000}"
        self.address = {name: f"203.0.113.{number}" for number, name in enumerate(nodes, 11)}
        self.hosts = [f"203.0.113.{number}" for number in range(101, 101 + hosts)]
        self._holders: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # Without an address of its own a bridge takes its ports' lowest, and another when that port leaves:
        # the nodes that are not cut off would go on to ask at the old one.
        _ip("link", "add", self._bridge, "address", MAC, "type", "bridge")
        for address in (OURS, *self.hosts):
            _ip("address", "add", f"{address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for name, address in self.address.items():
            # The namespace lives as long as this process, which ends with ours: its input is closed then.
            holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
            self._holders[name] = holder
            while _namespace(holder.pid) == _namespace(os.getpid()):
                time.sleep(0.005)
            port = self._port(name)
            _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            _ip("link", "set", port, "master", self._bridge, "up")
            for words in (("address", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
                _ip(*words, within=self.within(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, holder in self._holders.items():
            _ip("link", "delete", self._port(name))
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait(10)
        _ip("link", "delete", self._bridge)

    def within(self, name: str) -> list[str]:
        """Words before a command that is to run on the node."""
        return ["nsenter", f"--net=/proc/{self._holders[name].pid}/ns/net", "--"]

    def cut(self, name: str) -> None:
        """Nothing reaches the node any more, and nothing of it reaches anybody."""
        _ip("link", "set", self._port(name), "nomaster")

    def mend(self, name: str) -> None:
        """The cable is in again."""
        _ip("link", "set", self._port(name), "master", self._bridge)

    def _port(self, name: str) -> str:
        return f"{self._bridge}{name}"


def _namespace(pid: int) -> str:
    return os.readlink(Path(f"/proc/{pid}/ns/net"))


def _ip(*words: str, within: Sequence[str] = ()) -> None:
    subprocess.run([*within, "ip", *words], check=True, timeout=20)
