"""How SMTP sessions began and ended, by the log of Postfix, which received them (smtpd(8))."""

from __future__ import annotations

import re

from lab.proofs.scene import Disproved

_CONNECT = re.compile(r"^connect from \S+\[([0-9.]+)\]", re.MULTILINE)
_DISCONNECT = re.compile(r"^disconnect from \S+\[([0-9.]+)\] (.*)$", re.MULTILINE)
_BROKEN_OFF = re.compile(r"^((?:lost connection|timeout) after \S+.*) from \S+\[([0-9.]+)\]$", re.MULTILINE)


def all_over(log: str, address: str) -> bool:
    """Whether each session of a client has ended."""
    return _CONNECT.findall(log).count(address) <= len(_endings(log, address))


def polite_probes(log: str, address: str) -> int:
    """How many sessions of a client asked for recipients and sent no message; none may be rude.

    Raises:
        Disproved: there was none, or one was broken off or ended without QUIT.
    """
    if broken := [how for how, source in _BROKEN_OFF.findall(log) if source == address]:
        raise Disproved(f"{address} broke off a session: {broken[0]}")
    silent = [how for how in _endings(log, address) if not re.search(r"\bb?data=", how)]
    if rude := [how for how in silent if "quit=1" not in how]:
        raise Disproved(f"{address} left without QUIT: {rude[0]}")
    probes = [how for how in silent if "rcpt=" in how]
    if not probes:
        raise Disproved(f"{address} held no session in which it only asked")
    return len(probes)


def _endings(log: str, address: str) -> list[str]:
    """What Postfix counted in each session: `ehlo=2 starttls=1 mail=1 rcpt=1/2 quit=1 commands=6/7`."""
    return [counts for source, counts in _DISCONNECT.findall(log) if source == address]
