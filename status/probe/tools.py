"""Our own tools on a host: the release, its API, the nightly archives."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from status.probe.commands import DOOR, PATIENCE, run
from status.probe.tls import any_certificate

_API_PORT = 8025


def release() -> dict[str, Any] | None:
    """Our tools: version, and what the API answers on this host; None where there are none."""
    wanted = Path("/etc/outreach/release")
    if not wanted.exists():
        return None
    current = Path("/opt/outreach/current")
    found: dict[str, Any] = {"version": wanted.read_text().strip()}
    if current.is_symlink():
        found["current"] = current.readlink().name
    if run("systemctl", "is-enabled", "outreach-api.socket", check=False).strip() == "enabled":
        found.update(api_health())
    return found


def api_health() -> dict[str, Any]:
    """What the API answers to `GET /health`: asked here, its certificate is not what is in question."""
    streams = run("systemctl", "show", "--property=Listen", "--value", "outreach-api.socket")
    match = re.search(r"([0-9.]+):(\d+)", streams)
    host, port = (match[1], int(match[2])) if match else ("127.0.0.1", _API_PORT)
    try:
        with socket.create_connection((host, port), DOOR) as link:
            link.settimeout(PATIENCE)
            # On loopback it speaks in the clear, to this host's own programs.
            plain = host.startswith("127.")
            with link if plain else any_certificate().wrap_socket(link) as line:
                line.sendall(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                reply = b"".join(iter(lambda: line.recv(4096), b"")).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        return {"health_problem": str(error) or type(error).__name__}
    status = re.match(r"HTTP/1\.\d (\d{3})", reply)
    version = re.search(r'"version"\s*:\s*"([^"]*)"', reply)
    return {
        "health": int(status[1]) if status else 0,
        "health_version": version[1] if version else "",
    }


def backups() -> dict[str, Any] | None:
    """The archives made of this host; None where none are wanted."""
    config, folder = Path("/etc/outreach/backup.toml"), Path("/var/lib/outreach-backup")
    if not config.exists() or "\nrecipients = []" in config.read_text():
        return None
    pulled, archives = folder / "pulled", [path.stat() for path in folder.glob("*.age")]
    found: dict[str, Any] = {"archives": len(archives), "since": config.stat().st_mtime}
    if archives:
        newest = max(archives, key=lambda status: status.st_mtime)
        found |= {"newest": newest.st_mtime, "size": newest.st_size}
    return found | ({"pulled": pulled.stat().st_mtime} if pulled.exists() else {})
