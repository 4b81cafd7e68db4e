"""SSH host keys: fetched at first contact, then pinned beside the fleet file, and never replaced by us."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from paramiko import SSHException, Transport

from inventory import Host
from inventory.hostkeys import KEY_TYPE, Pin, changed, read_pins

PORT = 22
_RETRY_SECONDS = 0.5
_HANDSHAKE_SECONDS = 10.0


class Contact(StrEnum):
    """What first contact came to."""

    KNOWN = "known"
    LEARNED = "learned"
    CHANGED = "changed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Learned:
    """What is known of a host's key.

    Args:
        contact: how it went.
        problem: one line that says what is wrong and what to do; None when the key is pinned.
    """

    contact: Contact
    problem: str | None = None


def judge(pins: Sequence[Pin], names: Sequence[str], key: str, file: Path) -> Learned:
    """Compare a host's key with the pinned ones for any of its names."""
    for pin in pins:
        if pin.names & set(names) and pin.key != key:
            return Learned(Contact.CHANGED, changed(file, pin))
    known = all(any(name in pin.names for pin in pins) for name in names)
    return Learned(Contact.KNOWN if known else Contact.LEARNED)


def learn(hosts: Sequence[Host], known_hosts: Path, timeout: float = 60.0) -> dict[str, Learned]:
    """Pin the key of each host that is not pinned yet, waiting for hosts that still boot.

    A host whose name and address are pinned is not contacted: the connection that follows checks its key.

    Args:
        hosts: whose keys are wanted.
        known_hosts: the file; made when missing, rewritten as a whole.
        timeout: seconds to wait for a host that does not answer.

    Returns:
        What is known of each host's key, by the host's name.
    """
    text = known_hosts.read_text(encoding="utf-8") if known_hosts.exists() else ""
    pins = read_pins(text)
    pinned = {name for pin in pins for name in pin.names}
    found: dict[str, Learned] = {host.name: Learned(Contact.KNOWN) for host in hosts}
    new = [host for host in hosts if not pinned.issuperset(_names(host.data))]
    fresh = []
    with ThreadPoolExecutor(max(len(new), 1)) as pool:
        keys = list(pool.map(lambda host: _fetch(host.data["ssh_hostname"], timeout), new))
    for host, key in zip(new, keys, strict=True):
        names = _names(host.data)
        if isinstance(key, Exception):
            reason = str(key) or type(key).__name__
            found[host.name] = Learned(
                Contact.UNREACHABLE, f"no SSH at {host.data['ssh_hostname']} within {timeout:g} s ({reason})"
            )
            continue
        found[host.name] = judge(pins, names, key, known_hosts)
        if found[host.name].contact is Contact.LEARNED:
            fresh.append(f"{','.join(names)} {KEY_TYPE} {key}\n")
    if fresh:
        _write(known_hosts, (text if not text or text.endswith("\n") else text + "\n") + "".join(fresh))
    return found


def _names(data: Mapping[str, Any]) -> tuple[str, str]:
    return (data["fqdn"], data["ssh_hostname"])


def _fetch(address: str, timeout: float) -> str | Exception:
    """The host's key in base64, or what kept it from us until the time was up."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return _ask(address, max(min(_HANDSHAKE_SECONDS, deadline - time.monotonic()), 1.0))
        except (OSError, EOFError, SSHException) as error:
            if time.monotonic() + _RETRY_SECONDS > deadline:
                return error
        time.sleep(_RETRY_SECONDS)


def _ask(address: str, timeout: float) -> str:
    with socket.create_connection((address, PORT), timeout=timeout) as connection:
        transport = Transport(connection)
        try:
            transport.get_security_options().key_types = (KEY_TYPE,)
            transport.start_client(timeout=timeout)
            return transport.get_remote_server_key().get_base64()
        finally:
            transport.close()


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole, so that a crash leaves the old one or the new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
