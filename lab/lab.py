"""A lab as one thing: up, down, and what may be asked of it in between."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from lab import acme, images, kernel, shelf
from lab.acme import Acme
from lab.addresses import ACME, ACME_DIRECTORY, NAMESERVER, OPERATOR, RESOLVER
from lab.cache import cache_directory
from lab.cgroup import Cgroup
from lab.dns import Dns
from lab.environment import new_environment
from lab.far_side import FarSide
from lab.hosts import Hosts, HostSpec, Software
from lab.images import Image
from lab.network import Network
from lab.packages import PackageCache
from lab.process import LabError, cause, locked, run
from lab.status import PartStatus, measure
from lab.stock import Stock, stocked
from lab.world import ResourceRecord

log = logging.getLogger(__name__)

EXAMPLE_ACCOUNT = "0123456789abcdef0123456789abcdef"
"""`dns.account` of the fleet files shipped with the code."""

# Whoever a host of the lab can reach has an address that is nobody's in the world. The validator on a node
# refuses such targets, unless it is told that this is a lab: here, and nowhere else.
_PRIVATE_TARGETS = {
    "/etc/systemd/system/outreach-api.service.d/lab.conf": "[Service]\nEnvironment=OUTREACH_ALLOW_PRIVATE=1\n"
}
# Caddy asks the lab's own authority for its certificate.
_AUTHORITY = {
    "/etc/systemd/system/caddy.service.d/lab.conf": (
        f"[Service]\nEnvironment=ACME_DIRECTORY={ACME_DIRECTORY}\n"
    )
}
_OWN_HOSTS = ("dns", "mx", "stranger")
_TOOLS = (
    *("ip", "nsenter", "unshare", "setsid", "ssh-keygen"),
    *("squid", "mmdebstrap", "systemd-nspawn", "systemd-socket-activate"),
)


class Lab:
    """One lab: hosts, DNS and the far side in a network of its own. It implements :class:`lab.world.World`.

    Any process of this machine may hold one, inside or outside the lab's network, several at a time.

    Args:
        state: directory of the lab's state; its path names the lab, so two checkouts have two labs.
        cloudflare_account: the account that the lab's Cloudflare token is for, as `dns.account` names it.
        stock: what hosts have from the start; None for bare ones. Whoever attaches need not know.
    """

    def __init__(
        self, state: Path, cloudflare_account: str = EXAMPLE_ACCOUNT, stock: Stock | None = None
    ) -> None:
        self.state = state.resolve()
        self.stock = stock
        self.cloudflare_account = cloudflare_account
        self.id = f"outreach-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"
        self.network = Network(self.id)
        self.cgroup = Cgroup(self.id)
        self.hosts = Hosts(self.id, self.state / "hosts", self.network, self._host_files)
        self.dns = Dns(self.state / "dns", self.hosts)
        self.acme = Acme(self.state / "acme", self.dns, self.hosts)
        self.far_side = FarSide(self.state / "mail", self.dns)
        self.emulators = self._group("emulators")
        self.packages = PackageCache(self._group("squid"), self._group("relay"), self.state / "packages.log")

    def up(self) -> None:
        """Bring the lab up; one that is up stays, what a crash left of one is cleared first.

        Raises:
            LabError: not root, a kernel feature, a tool, disk space or the mirror is missing.
        """
        _require_root()
        _require_tools()
        _require_plain(self.state, cache_directory())
        with self._alone():
            if self.is_up():
                return
            self._clear()
            try:
                self._build_up()
            except BaseException:
                self._clear()
                raise

    def down(self) -> None:
        """End the lab and leave nothing of it: no process, mount, bridge, namespace, control group, file."""
        _require_root()
        with self._alone():
            self._clear()

    def is_up(self) -> bool:
        """Whether `up` came to its end and what it started still runs."""
        own = [self.hosts.running(name) for name in _OWN_HOSTS]
        processes = all(own) and self.packages.running() and self.emulators.populated()
        return (self.state / "ready").exists() and self.network.exists() and processes

    def status(self) -> list[PartStatus]:
        """Each process of the lab's own and each host, running or not; a broken lab has one too."""
        own = {"squid": self.packages.squid, "relay": self.packages.relay, "emulators": self.emulators}
        hosts = {name: self.hosts.spec(name).addresses[0] for name in self.hosts.names()}
        return [
            *(measure(name, "", cgroup) for name, cgroup in own.items()),
            *(measure(f"host {name}", address, self.hosts.cgroup(name)) for name, address in hosts.items()),
        ]

    def environment(self) -> dict[str, str]:
        """What operator processes find in their environment: endpoints, tokens and keys of this lab."""
        try:
            saved: dict[str, str] = json.loads((self.state / "environment.json").read_text())
        except FileNotFoundError:
            raise LabError("the lab is not up; run `outreach lab up`") from None
        return saved

    def operator_command(self, argv: Sequence[str]) -> list[str]:
        """`argv`, made to run where operators are: in the lab's network, names resolved by the lab."""
        self._require_network()
        return self.network.entering_as_operator(argv, self.state / "resolv.conf")

    def ssh_command(self, host: str, argv: Sequence[str] = ()) -> list[str]:
        """An ssh command line to a host with the lab's own key, its host key pinned."""
        self._require_network()
        address = self.hosts.spec(host).addresses[0]
        options = {
            "IdentityFile": self.state / "ssh/id_ed25519",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.state / "hosts" / host / "known_hosts",
            "StrictHostKeyChecking": "yes",
        }
        flags = [word for name, value in options.items() for word in ("-o", f'{name}="{value}"')]
        return self.operator_command(["ssh", "-F", "none", *flags, f"root@{address}", *argv])

    def run(
        self, host: str, argv: Sequence[str], *, stdin: str = "", check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root, past its network and sshd; see :meth:`lab.hosts.Hosts.run`."""
        return self.hosts.run(host, argv, stdin=stdin, check=check, timeout=timeout)

    def boot(self, host: str, ipv4: str, ssh_keys: Sequence[str]) -> None:
        """Boot a host, bare unless the lab has a stock; see :class:`lab.world.World`."""
        self._refuse_own(host)
        self.hosts.boot(HostSpec(host, (ipv4,), tuple(ssh_keys)), self.image())

    def image(self) -> Image:
        """What hosts start from."""
        return Image(tuple(Path(layer) for layer in (self.state / "layers").read_text().splitlines()))

    def destroy(self, host: str) -> None:
        """End a host and forget its disk; see :class:`lab.world.World`."""
        self._refuse_own(host)
        self.hosts.destroy(host)

    def set_ptr(self, ipv4: str, name: str | None) -> None:
        """Hold a PTR; see :class:`lab.world.World`."""
        self.dns.set_ptr(ipv4, name)

    def publish(self, zone: str, records: Sequence[ResourceRecord]) -> None:
        """Serve a zone, TTLs cut to 5 s; see :class:`lab.world.World`."""
        self.dns.publish(zone, records)

    def withdraw(self, zone: str) -> None:
        """Stop serving a zone; see :class:`lab.world.World`."""
        self.dns.withdraw(zone)

    def power_off(self, host: str) -> None:
        """Cut a host's power; its disk stays, and `boot` with the same arguments powers it up again."""
        self.hosts.power_off(host)

    def _require_network(self) -> None:
        if not self.network.exists():
            raise LabError("the lab is not up; run `outreach lab up`")

    def _refuse_own(self, host: str) -> None:
        if host in _OWN_HOSTS:
            raise LabError(f"{host} is a host of the lab itself; name yours otherwise")

    def _host_files(self) -> dict[str, str]:
        return {**self.dns.host_files(), **self.acme.host_files(), **_PRIVATE_TARGETS, **_AUTHORITY}

    def _group(self, name: str) -> Cgroup:
        return Cgroup(f"{self.id}/{name}")

    def _alone(self) -> AbstractContextManager[int]:
        if not self.state.parent.is_dir():
            raise LabError(f"{self.state.parent} is no directory; the lab keeps its state below it")
        return locked(self.state.parent, busy=f"another `outreach lab` command is at work on {self.state}")

    def _build_up(self) -> None:
        kernel.raise_limits()
        base = images.bare(self._group("build"))
        image = stocked(base, self.stock, self._group("build")) if self.stock else base
        self.state.mkdir(mode=0o700)
        (self.state / "hosts").mkdir()
        (self.state / "layers").write_text("".join(f"{layer}\n" for layer in image.layers))
        self._write_environment()
        (self.state / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
        log.info("starting the package cache")
        self.network.up()
        self.packages.up(self.network, base.mirror_hosts())
        far_side = images.far_side(base, self._group("build"))
        key = (self.state / "ssh/id_ed25519.pub").read_text().strip()
        log.info("booting the name server and the far side")
        authorities = self._names_and_certificates(base)
        self.hosts.boot(self.dns.spec((NAMESERVER, RESOLVER, ACME), (key,)), far_side, authorities)
        receiver, stranger = self.far_side.specs((key,))
        self.hosts.boot(receiver, far_side, self.far_side.prepare())
        self.hosts.boot(stranger, far_side)
        self._await_unit("dns", "knot")
        self.far_side.publish()
        self.acme.publish()
        self._await_unit("dns", "unbound")
        self._await_unit("dns", "pebble")
        self._await_unit("mx", "postfix")
        self._start_emulators()
        shelf.prune(time.time())
        (self.state / "ready").touch()

    def _names_and_certificates(self, base: Image) -> Software:
        """What the host `dns` runs."""
        names = self.dns.prepare()
        return replace(names, files=self.acme.prepare(base.layers[0]), units=(*names.units, acme.UNIT))

    def _await_unit(self, host: str, unit: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            state = self.hosts.run(host, ["systemctl", "is-active", unit], check=False).stdout.strip()
            if state == "active":
                return
            if state == "failed" or time.monotonic() > deadline:
                said = self.hosts.run(
                    host, ["journalctl", "-u", unit, "-o", "cat", "--no-pager"], check=False
                )
                raise LabError(f"{unit} on host {host} is {state}: {cause(said.stdout)}")
            time.sleep(0.05)

    def _start_emulators(self) -> None:
        log.info("starting the emulated providers")
        said = self.state / "emulators.log"
        serve: list[str | Path] = [sys.executable, "-m", "lab.emulators", "--state", self.state]
        serve += ["--listen", OPERATOR, "--world", "lab", "--account", self.cloudflare_account]
        self.emulators.start(self.network.entering(serve), said, {**os.environ, **self.environment()})
        deadline = time.monotonic() + 60
        while '"ready"' not in said.read_text():  # their first line, once they accept connections
            if not self.emulators.populated() or time.monotonic() > deadline:
                raise LabError(f"the emulated providers do not start: {cause(said.read_text())}")
            time.sleep(0.02)

    def _write_environment(self) -> None:
        key = self.state / "ssh/id_ed25519"
        key.parent.mkdir(mode=0o700)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.id, "-f", key])
        path = self.state / "environment.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(new_environment(key, self.acme.ca), indent=1))

    def _clear(self) -> None:
        self.cgroup.kill()
        self.network.down()
        for leftover in Path("/run/systemd/nspawn").glob(f"*/{self.id}-*"):
            shutil.rmtree(leftover)
        if self.state.exists():
            shutil.rmtree(self.state)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab boots hosts and needs root; run it as root or with sudo")


def _require_tools() -> None:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabError(f"not installed: {', '.join(missing)}; ./run rehearse installs what the lab needs")


def _require_plain(*paths: Path) -> None:
    for path in paths:
        if set(str(path)) & set(':,\\"'):  # they separate and quote the options of an overlay mount
            raise LabError(
                f"the path {path} has a colon, comma, quote or backslash, which overlayfs cannot take"
            )
