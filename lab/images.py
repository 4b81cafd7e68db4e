"""The disks hosts start from, built once and kept: a bare Debian 13, and a layer with what the far side runs.

A bare host is what a provider hands over: systemd, key-only sshd, python3 (cloud-init brings it), no mail
software. Images are directories, used as lower layers of an overlay and never written again; a changed recipe
has a new name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.addresses import OPERATOR, PACKAGE_PROXY_PORT
from lab.cgroup import Cgroup
from lab.process import run
from lab.shelf import kept

SUITE = "trixie"
_BARE = (
    "systemd-sysv dbus libpam-systemd openssh-server python3 sudo curl ca-certificates iproute2 "
    "iputils-ping procps less nano dns-root-data"
)
_FAR_SIDE = (
    "knot knot-dnsutils unbound postfix rspamd swaks libnet-ssleay-perl libio-socket-ssl-perl "
    "libauthen-sasl-perl openssl pebble"
)
_MMDEBSTRAP = (
    "mmdebstrap",
    "--variant=minbase",
    f"--include={_BARE.replace(' ', ',')}",
    "--skip=cleanup/apt/lists",  # a host's first `apt-get update` is then a matter of "nothing new"
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",  # Ubuntu's apt does not look there
)
_APT_CONFIGURATION = "/etc/apt/apt.conf.d/90lab"
_FAR_SIDE_UNITS = "knot unbound unbound-resolvconf postfix rspamd"

# Runs on the finished tree ($1) before it is kept.
_FINISH_BARE = f"""
set -eu
cd "$1"
cat >{_APT_CONFIGURATION.lstrip("/")} <<'END'
Acquire::http::Proxy "http://{OPERATOR}:{PACKAGE_PROXY_PORT}";
Acquire::Languages "none";
END
rm -f etc/apt/apt.conf.d/99mmdebstrap etc/resolv.conf etc/hostname etc/ssh/ssh_host_*
echo 'PasswordAuthentication no' >etc/ssh/sshd_config.d/50-provider.conf
# Host keys come with the host; timers that take apt's lock at any moment wait until a deploy enables them.
find etc/systemd/system -name sshd-keygen.service -delete
rm -f etc/systemd/system/timers.target.wants/apt-daily*.timer
# The lab's own root hints and trust anchor replace this package's files; an upgrade is not to bring others.
chroot . apt-mark -q hold dns-root-data
chroot . apt-cache -q gencaches
mkdir -p var/log/journal
"""

# Runs in a container with this machine's network.
_FINISH_FAR_SIDE = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
apt-get -q update
apt-get -q -y install --no-install-recommends {_FAR_SIDE}
systemctl disable {_FAR_SIDE_UNITS}
useradd --uid 5000 --user-group --no-create-home --shell /usr/sbin/nologin vmail
apt-get clean
"""


@dataclass(frozen=True)
class Image:
    """A kept image.

    Args:
        layers: its directories, topmost first, as overlayfs wants them.
    """

    layers: tuple[Path, ...]

    @property
    def lowerdir(self) -> str:
        return ":".join(str(layer) for layer in self.layers)

    def mirror_hosts(self) -> frozenset[str]:
        """The host names its package sources name: the only ones the package cache may fetch from."""
        sources = self.layers[-1] / "etc/apt"
        text = "".join(
            path.read_text() for path in sources.rglob("*") if path.suffix in {".list", ".sources"}
        )
        return frozenset(re.findall(r"https?://([^/\s:]+)", text))


def bare(builders: Cgroup) -> Image:
    """The bare Debian 13, built on first use (under a minute).

    Args:
        builders: the group the build runs in, so that a later call can end what a crash left.

    Raises:
        LabError: no space, or the mirror is not reached.
    """
    recipe = "\n".join((*_MMDEBSTRAP, _FINISH_BARE))
    return Image((kept("bare", recipe, lambda target, lock: _build_bare(target, lock, builders)),))


def far_side(base: Image, builders: Cgroup) -> Image:
    """The bare image and, in a layer above it, the servers of the far side, all of them disabled."""
    recipe = f"{base.layers[0].name}\n{_FINISH_FAR_SIDE}"
    script = [_FINISH_FAR_SIDE]
    layer = kept("far-side", recipe, lambda work, lock: build_layer(work, lock, base, script, builders))
    return Image((layer, *base.layers))


def build_layer(work: Path, lock: int, base: Image, script: Sequence[str], builders: Cgroup) -> None:
    """Build a layer above an image, as `work/layer`: what a script does to a disk, in a container.

    Args:
        work: an empty directory.
        lock: descriptor that the build holds.
        base: the image below.
        script: text for ``sh``, then its ``$0`` and arguments.
        builders: the group the build runs in.

    Raises:
        LabError: the script failed.
    """
    for directory in ("layer", "work", "root"):
        (work / directory).mkdir()
    # In place of the lab's: packages come straight from the mirror.
    (work / "apt.conf").write_text('Acquire::Languages "none";\n')
    machine = f"{builders.path.parent.name}-build"
    mount = f"""
        set -eu
        mount -t overlay overlay {work}/root \\
            -o volatile,lowerdir={base.lowerdir},upperdir={work}/layer,workdir={work}/work
        umount -R /sys/fs/cgroup 2>/dev/null || true
        mount -t cgroup2 none /sys/fs/cgroup
        export SYSTEMD_NSPAWN_LOCK=0
        exec systemd-nspawn --quiet --pipe --directory={work}/root --machine={machine} --register=no \\
            --keep-unit --resolv-conf=replace-host --bind-ro={work}/apt.conf:{_APT_CONFIGURATION} sh -c "$@"
    """
    _run_builder("installing its packages", ["sh", "-c", mount, "build", *script], lock, builders)


def _build_bare(work: Path, lock: int, builders: Cgroup) -> None:
    hook = work / "finish"
    hook.write_text(f"#!/bin/sh{_FINISH_BARE}")
    hook.chmod(0o755)
    mmdebstrap = [*_MMDEBSTRAP, f"--customize-hook={hook}", SUITE, str(work / "layer")]
    _run_builder("mmdebstrap", mmdebstrap, lock, builders)


def _run_builder(label: str, argv: list[str], lock: int, builders: Cgroup) -> None:
    builders.create()
    # In a mount namespace of its own, so that a killed build leaves no mount.
    run(
        builders.joining(["unshare", "--mount", *argv]),
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        keep_open=(lock,),
        label=label,
    )
