"""Hosts asked over SSH, by OpenSSH's own client and with their pinned keys: any number at the same time."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inventory import Host
from inventory.hostkeys import KEY_TYPE, another, unpinned

CONNECT_SECONDS = 10
"""For a host that does not answer."""
_PARALLEL = 64
_FAILED = 255  # ssh(1): by itself, and not the command that it ran


@dataclass(frozen=True)
class Reply:
    """What a host answered to a command.

    Args:
        text: its standard output; None if there is none.
        problem: why, on one line.
        sent: when it was asked, seconds since 1970 by this machine's clock.
        received: when it had answered.
    """

    text: str | None
    problem: str = ""
    sent: float = 0.0
    received: float = 0.0


def shell(script: str, *arguments: str) -> str:
    """A command that runs a script, whose ``$1`` is the first of `arguments`."""
    return shlex.join(["sh", "-c", script, "sh", *arguments])


def ask(
    hosts: Sequence[Host], command: Callable[[str], str], stdin: str, patience: float
) -> dict[str, Reply]:
    """Run a command as root on each host; one that is silent costs itself alone.

    Args:
        hosts: whose host keys are pinned already.
        command: for a host of this name.
        stdin: what every command reads.
        patience: seconds for one host, once it is connected.

    Returns:
        What each answered, by its name.
    """
    with ThreadPoolExecutor(_PARALLEL) as pool:
        replies = pool.map(lambda host: _ask(host.data, command(host.name), stdin, patience), hosts)
        return {host.name: reply for host, reply in zip(hosts, replies, strict=True)}


def _ask(data: Mapping[str, Any], command: str, stdin: str, patience: float) -> Reply:
    sent = time.time()

    def failed(problem: str) -> Reply:
        return Reply(None, problem, sent, time.time())

    argv = ["ssh", *_options(data), f"{data['ssh_user']}@{data['ssh_hostname']}", "--", command]
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience + CONNECT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return failed("ssh is not installed here")
    except subprocess.TimeoutExpired:
        return failed(f"no answer within {patience:.0f} s")
    if done.returncode == _FAILED:
        return failed(_unreachable(done.stderr, data))
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        return failed(said[-1].removeprefix("error: ") if said else f"it ended with {done.returncode}")
    return Reply(done.stdout, "", sent, time.time())


def _options(data: Mapping[str, Any]) -> list[str]:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": f"{CONNECT_SECONDS}",
        "HostKeyAlgorithms": KEY_TYPE,
        "LogLevel": "ERROR",
        "ServerAliveCountMax": "2",
        "ServerAliveInterval": "15",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": str(data["ssh_known_hosts_file"]),
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    key = data.get("ssh_key")
    return ["-T", *words, *(["-i", str(key), "-o", "IdentitiesOnly=yes"] if key else [])]


def _unreachable(said: str, data: Mapping[str, Any]) -> str:
    """What ssh says of a connection that did not come about, as one line that says what to do."""
    file, address = Path(data["ssh_known_hosts_file"]), data["ssh_hostname"]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "ssh said nothing"
    if any("host key is known" in line for line in lines):
        return unpinned(file)
    if "Host key verification failed" in last:
        return another(file, address)
    if "Permission denied" in last:
        return f"root's login at {address} is refused: is your key among operators.ssh_keys?"
    return f"no SSH at {address}: {last.rpartition(': ')[2]}"
