"""What hosts can have on their disks from the start, for tests whose promise begins after it is there.

Unpacking the same packages on each host of each test took most of a test's time. A stocked host has them as
`outreach apply` would have left them before it configured anything: installed, enabled, and not started.
Whether a bare host gets that far is what a rehearsal shows, and its hosts are bare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.cgroup import Cgroup
from lab.images import Image, build_layer
from lab.process import run
from lab.shelf import kept

# By its place: the module that runs it on hosts takes the second that importing pyinfra takes.
INSTALL = Path(__file__).parents[1] / "deploys/operations/install.sh"

# With the deploy's own script and the names of packages. What they had systemd start at boot is laid aside
# and back before anyone can log in: enabled, and not started by the first boot.
_STOCK = """
set -eu
install=$1 units=/etc/systemd/system aside=/usr/lib/outreach-stock
shift
enabled() { find $units -type l | sort; }
before=$(enabled)
sh -c "$install" install "$@"
for link in $(enabled); do
    case "$before" in
        *"$link"*) ;;
        *) mkdir -p "$aside${link%/*}" && mv "$link" "$aside${link%/*}" ;;
    esac
done
apt-get clean
cat >$units/outreach-stock.service <<END
[Unit]
Before=ssh.service
[Service]
Type=oneshot
ExecStart=cp -a $aside/etc /
ExecStart=rm -r $aside $units/outreach-stock.service $units/multi-user.target.wants/outreach-stock.service
ExecStart=systemctl daemon-reload
END
ln -s $units/outreach-stock.service $units/multi-user.target.wants
"""


@dataclass(frozen=True)
class Stock:
    """What is on the disk of every host that is ordered, whatever its role.

    Args:
        packages: Debian packages: see :func:`deploys.packages.packages`.
        archives: tar archives to unpack, by the folder they go to; named by what is in them.
    """

    packages: tuple[str, ...]
    archives: Mapping[str, Path] = field(default_factory=dict)


def stocked(base: Image, stock: Stock, builders: Cgroup) -> Image:
    """The bare image and, in layers above it, a stock; built on first use (about a minute).

    Raises:
        LabError: no space, or the mirror is not reached.
    """
    script = [_STOCK, "stock", INSTALL.read_text("utf-8"), *sorted(set(stock.packages))]
    recipe = "\n".join((base.layers[0].name, *script))
    layers = [kept("stock", recipe, lambda work, lock: build_layer(work, lock, base, script, builders))]
    layers += [_unpacked(folder, archive) for folder, archive in stock.archives.items()]
    return Image((*layers, *base.layers))


def _unpacked(folder: str, archive: Path) -> Path:
    return kept("unpacked", f"{folder} {archive.name}", lambda work, _: _unpack(archive, work, folder))


def _unpack(archive: Path, work: Path, folder: str) -> None:
    place = work / "layer" / folder.lstrip("/")
    place.mkdir(parents=True)
    tar: list[str | Path] = ["tar", "--zstd", "-xf", archive, "-C", place, "--no-same-owner"]
    run(["sh", "-c", 'umask 022; exec "$@"', "unpack", *tar], label=f"unpacking {archive}")
