"""Pinned SSH host keys, as a file says them. Pure: :mod:`deploys.hostkeys` is what learns them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KEY_TYPE = "ssh-ed25519"
"""The one type that is pinned: every Debian host has it, and OpenSSH prefers it."""


@dataclass(frozen=True)
class Pin:
    """A line of the file.

    Args:
        line: its number, from 1.
        names: host names and addresses it is for.
        key: the public key, base64.
    """

    line: int
    names: frozenset[str]
    key: str


def read_pins(text: str) -> tuple[Pin, ...]:
    """The pinned keys of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), of our type only."""
    pins = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if len(fields) >= 3 and fields[1] == KEY_TYPE:
            pins.append(Pin(number, frozenset(fields[0].split(",")), fields[2]))
    return tuple(pins)


def changed(file: Path, pin: Pin) -> str:
    """The line that names a key which is not the pinned one, and how to accept it."""
    return (
        f"its SSH host key is not the one pinned in {file}:{pin.line}: another machine answers, or it was"
        f" installed anew; if that is expected, remove line {pin.line} and run again"
    )


def another(file: Path, address: str) -> str:
    """The line of :func:`changed` for the host at an address that shows another key than the pinned one."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    pin = next((pin for pin in read_pins(text) if address in pin.names), None)
    return changed(file, pin) if pin else unpinned(file)


def unpinned(file: Path) -> str:
    """The line for a host whose key is in no file."""
    return f"its SSH host key is not pinned in {file}; `outreach apply` pins it at first contact"
