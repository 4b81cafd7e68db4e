"""Hosts: real Debian 13 systems booted by systemd-nspawn, each on an overlay and in a control group."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.addresses import PREFIX_LENGTH, RESOLVER
from lab.cache import require_space
from lab.cgroup import Cgroup
from lab.disk import FILES, Disk
from lab.images import Image
from lab.network import Network
from lab.process import LabError, cause, locked, run
from lab.shelf import held

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_SPACE_TO_BOOT = 512 << 20
_NSPAWN_LEFTOVERS = Path("/run/systemd/nspawn")
_ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Software:
    """What a far-side host has on its disk from the start; a bare host has none.

    Args:
        tree: the tree of `lab/files` laid over its disk.
        files: further files, by path.
        units: systemd units that start at boot.
    """

    tree: str
    files: Mapping[str, str]
    units: tuple[str, ...]


@dataclass(frozen=True)
class HostSpec:
    """What a host is, so that it can be booted again.

    Args:
        name: its host name; also its key in the lab.
        addresses: its IPv4 addresses, the main one first.
        ssh_keys: public keys that may log in as root.
        binds: directories of this machine it sees: path there to path here.
    """

    name: str
    addresses: tuple[str, ...]
    ssh_keys: tuple[str, ...] = ()
    binds: Mapping[str, str] = field(default_factory=dict)


class Hosts:
    """The hosts of one lab.

    Args:
        lab: the lab's id; control groups and machine names carry it.
        directory: where their disks and descriptions live.
        network: where they are plugged in.
        everywhere: files that every new host has on its disk, by path.
    """

    def __init__(
        self, lab: str, directory: Path, network: Network, everywhere: Callable[[], Mapping[str, str]]
    ) -> None:
        self.lab = lab
        self.directory = directory
        self.network = network
        self.everywhere = everywhere

    def names(self) -> list[str]:
        """Every host that exists, booted or not."""
        return sorted(path.parent.name for path in self.directory.glob("*/host.json"))

    def spec(self, name: str) -> HostSpec:
        """What a host is.

        Raises:
            LabError: there is no such host.
        """
        try:
            return self._saved(name)[0]
        except FileNotFoundError:
            known = ", ".join(self.names()) or "none is booted"
            raise LabError(f"there is no host {name}; hosts: {known}") from None

    def boot(self, spec: HostSpec, image: Image, software: Software | None = None) -> None:
        """Boot a host, or power it up again on the disk it has; returns once its init runs.

        Raises:
            LabError: its name or address is taken by another host, or it does not start.
        """
        if not _NAME.fullmatch(spec.name):
            raise LabError(f"{spec.name!r} is no host name (RFC 1123 section 2.1)")
        with locked(self.directory):
            self._refuse_conflict(spec)
            if self.running(spec.name):
                return
            directory = self.directory / spec.name
            require_space(self.directory, _SPACE_TO_BOOT)
            if not (directory / "host.json").exists():
                self._prepare(directory, spec, image, software)
            self._launch(directory, spec.name)
        self._await_init(spec.name)

    def destroy(self, name: str) -> None:
        """End a host at once, as a provider deletes a server, and forget its disk; it need not exist."""
        with locked(self.directory):
            self.cgroup(name).kill()
            with suppress(FileNotFoundError):
                shutil.rmtree(self.directory / name)
            for leftover in _NSPAWN_LEFTOVERS.glob(f"*/{self.machine(name)}"):
                shutil.rmtree(leftover)

    def power_off(self, name: str) -> None:
        """End a host at once and keep its disk; :meth:`boot` powers it up again."""
        self.spec(name)
        with locked(self.directory):
            self.cgroup(name).kill()

    def cgroup(self, name: str) -> Cgroup:
        """The control group of a host."""
        return Cgroup(f"{self.lab}/host-{name}")

    def machine(self, name: str) -> str:
        """Its machine name, which must differ between labs and fit 64 characters."""
        return f"{self.lab}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def running(self, name: str) -> bool:
        """Whether any process of the host lives."""
        return self.cgroup(name).populated()

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: str = "",
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host as root, past its network and its sshd.

        Args:
            name: the host.
            argv: the command; no shell reads it.
            stdin: text for its standard input.
            check: raise when it fails.
            timeout: seconds.

        Raises:
            LabError: the host is not running, or the command failed or took too long.
        """
        self.spec(name)
        init = self._init(name)
        if init is None:
            raise LabError(f"host {name} is not running")
        command = [
            "nsenter",
            f"--target={init}",
            *_ENTER,
            "env",
            "-i",
            _PATH,
            "HOME=/root",
            "LANG=C.UTF-8",
            *argv,
        ]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, errors="replace", timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{argv[0]} on {name} took longer than {timeout:g} s") from None
        if check and done.returncode:
            raise LabError(f"{argv[0]} on {name} failed: {cause(done.stderr or done.stdout)}")
        return done

    def _saved(self, name: str) -> tuple[HostSpec, Image]:
        saved = json.loads((self.directory / name / "host.json").read_text())
        spec = HostSpec(name, tuple(saved["addresses"]), tuple(saved["ssh_keys"]), saved["binds"])
        return spec, Image(tuple(Path(layer) for layer in saved["layers"]))

    def _refuse_conflict(self, spec: HostSpec) -> None:
        for name in self.names():
            other = self._saved(name)[0]
            if name == spec.name and other != spec:
                raise LabError(f"host {name} exists with other addresses or keys; destroy it first")
            if name != spec.name and set(other.addresses) & set(spec.addresses):
                raise LabError(f"{spec.addresses[0]} is the address of host {name}")

    def _prepare(self, directory: Path, spec: HostSpec, image: Image, software: Software | None) -> None:
        shutil.rmtree(directory, ignore_errors=True)  # a crash may have left half of one
        for part in ("work", "root"):
            (directory / part).mkdir(parents=True)
        disk = Disk(directory / "upper", image)
        for path, text in {**_identity(spec), **self.everywhere()}.items():
            disk.write(path, text)
        disk.enable("systemd-networkd.service")
        if software:
            disk.install(software.tree, software.files, software.units)
        disk.write("/root/.ssh/authorized_keys", "".join(f"{key}\n" for key in spec.ssh_keys), 0o600)
        disk.write("/etc/ssh/ssh_host_ed25519_key", "", 0o600)
        _new_ssh_key(directory / "upper/etc/ssh/ssh_host_ed25519_key", spec.name)
        disk.seal()
        public = (directory / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        (directory / "known_hosts").write_text("".join(f"{address} {public}" for address in spec.addresses))
        description = directory / "host.json.part"
        description.write_text(json.dumps({**asdict(spec), "layers": [str(layer) for layer in image.layers]}))
        description.rename(directory / "host.json")

    def _launch(self, directory: Path, name: str) -> None:
        spec, image = self._saved(name)
        cgroup = self.cgroup(name)
        cgroup.kill()
        binds = [f"--bind={here}:{there}" for there, here in spec.binds.items()]
        script: list[str | Path] = [
            FILES / "boot.sh",
            directory,
            image.lowerdir,
            self.machine(name),
            name,
            *binds,
        ]
        command = self.network.entering(["unshare", "--mount", "sh", *script])
        with held(image.layers) as locks:
            cgroup.start(command, directory / "log", keep_open=locks)

    def _await_init(self, name: str) -> None:
        deadline = time.monotonic() + 60
        while self._init(name) is None:
            if not self.running(name) or time.monotonic() > deadline:
                said = (self.directory / name / "log").read_text(errors="replace")
                raise LabError(f"host {name} does not boot: {cause(said)}")
            time.sleep(0.01)

    def _init(self, name: str) -> int | None:
        listing = self.cgroup(name).path / "payload/init.scope/cgroup.procs"
        try:
            pids = listing.read_text().split()
        except OSError:
            return None
        return int(pids[0]) if pids else None


def _identity(spec: HostSpec) -> dict[str, str]:
    addresses = "".join(f"Address={address}/{PREFIX_LENGTH}\n" for address in spec.addresses)
    return {
        "/etc/hostname": f"{spec.name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {spec.name}\n",
        "/etc/machine-id": f"{uuid.uuid4().hex}\n",
        "/etc/resolv.conf": f"nameserver {RESOLVER}\n",
        "/etc/systemd/network/10-host0.network": f"[Match]\nName=host0\n[Network]\n{addresses}",
    }


def _new_ssh_key(path: Path, comment: str) -> None:
    path.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
