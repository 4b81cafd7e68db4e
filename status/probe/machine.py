"""The machine: units, doors, firewall, room, updates, clock."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from status.probe.commands import run

_LISTEN = "0A"  # proc(5): TCP_LISTEN of /proc/net/tcp
_UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,ConditionResult,ConditionTimestampMonotonic"
)


def units(wanted: Sequence[str]) -> dict[str, Any]:
    """State of the units asked for, and of every enabled one of our own."""
    listed = run("systemctl", "list-unit-files", "outreach-*", "--state=enabled", "--no-legend", check=False)
    ours = [line.split()[0] for line in listed.splitlines() if line.strip()]
    names = list(dict.fromkeys([*wanted, *ours]))
    shown = run("systemctl", "show", f"--property={_UNIT_PROPERTIES}", "--", *names)
    found = {}
    for name, block in zip(names, shown.split("\n\n"), strict=True):
        values = dict(line.split("=", 1) for line in block.strip().splitlines())
        tried = values.get("ConditionTimestampMonotonic", "0") != "0"
        found[name] = {
            "active": values["ActiveState"] if values["LoadState"] == "loaded" else values["LoadState"],
            "sub": values["SubState"],
            "enabled": values["UnitFileState"],
            "runnable": not (tried and values.get("ConditionResult") == "no"),
        }
    return found


def failed() -> list[str]:
    """Units in state `failed`."""
    listed = run("systemctl", "list-units", "--state=failed", "--no-legend", "--plain")
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def listening() -> list[int]:
    """TCP ports that something listens on, loopback left out."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                address, _, port = fields[1].partition(":")
                loopback = address.endswith("7F") or address == "0" * 24 + "01000000"
                if fields[3] == _LISTEN and not loopback:
                    ports.add(int(port, 16))
    return sorted(ports)


def firewall() -> dict[str, bool]:
    """Whether our table is loaded, and its input chain drops what no rule lets in."""
    rules = run("nft", "list", "table", "inet", "outreach", check=False)
    drops = re.search(r"hook input priority [^;]*; policy drop;", rules) is not None
    return {"loaded": "chain input" in rules, "drops": drops}


def sshd() -> dict[str, str]:
    """The effective settings of sshd."""
    rows = (line.partition(" ") for line in run("sshd", "-T").splitlines())
    return {key: value for key, _, value in rows}


def disks() -> list[dict[str, Any]]:
    """Every file system that a service writes to, once."""
    found: dict[int, dict[str, Any]] = {}
    for path in ("/", "/boot", "/opt", "/var", "/var/lib", "/var/log", "/var/spool/postfix", "/var/vmail"):
        with suppress(FileNotFoundError):
            device, state = os.stat(path).st_dev, os.statvfs(path)
            found.setdefault(
                device,
                {
                    "mount": path,
                    "used": (state.f_blocks - state.f_bfree) * state.f_frsize,
                    "free": state.f_bavail * state.f_frsize,
                    "files_used": state.f_files - state.f_ffree,
                    "files_free": state.f_favail,
                },
            )
    return list(found.values())


def memory() -> dict[str, int]:
    """Bytes in all and available."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {words[0].rstrip(":"): int(words[1]) for words in rows if len(words) > 1}
    return {"total": kib["MemTotal"] << 10, "available": kib["MemAvailable"] << 10}


def updates() -> dict[str, Any]:
    """Pending packages of the security archive, and whether a reboot is wanted."""
    simulated = run("nice", "apt-get", "-s", "-qq", "-o", "Debug::NoLocking=1", "dist-upgrade")
    pending = [
        line.split()[1]
        for line in simulated.splitlines()
        if line.startswith("Inst ") and "Debian-Security:" in line
    ]
    stamps = [
        stamp.stat().st_mtime
        for name in (
            "/var/lib/apt/periodic/update-success-stamp",
            "/var/lib/apt/lists",
            "/var/cache/apt/pkgcache.bin",
        )
        if (stamp := Path(name)).exists()
    ]
    age = time.time() - max(stamps) if stamps else None
    return {"security": pending, "lists_age": age, "reboot": Path("/run/reboot-required").exists()}


def clock() -> dict[str, Any] | None:
    """What chrony says; None where systemd does not let it run (a container has its machine's clock)."""
    if units(["chrony.service"])["chrony.service"]["runnable"] is False:
        return None
    fields = run("chronyc", "-c", "tracking").strip().split(",")
    return {"leap": fields[-1], "offset": float(fields[4])}
