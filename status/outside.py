"""A host as seen from where the command runs: doors, the mail server's dialogue, certificates it shows."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from status.facts import Door, Greeting, Outside
from status.probe.commands import Unread
from status.probe.mail import dialogue
from status.probe.tls import any_certificate, certificate_of, told
from status.sections import Certificate

SMTP, SUBMISSIONS, IMAPS = 25, 465, 993
_DOOR_SECONDS = 6.0


def look(address: str, ports: Sequence[int], recipients: Sequence[str]) -> Outside:
    """Look at one host. A silent one costs one time-out: all doors are tried at once.

    Args:
        address: where it should be.
        ports: the doors to try.
        recipients: to name on port 25, where the host takes mail; none tries no dialogue.
    """
    with ThreadPoolExecutor(max(len(ports), 1)) as pool:
        doors = dict(zip(ports, pool.map(lambda port: _knock(address, port), ports), strict=True))
    greeting: Greeting | None = None
    certificates: dict[int, Certificate] = {}
    if doors.get(SMTP) is Door.OPEN and recipients:
        met, der = dialogue(address, recipients)
        greeting = Greeting(**met)
        if shown := _read(der):
            certificates[SMTP] = shown
    for port in (SUBMISSIONS, IMAPS):
        if doors.get(port) is Door.OPEN and (shown := _certificate(address, port)):
            certificates[port] = shown
    return Outside(doors, greeting, certificates)


def _knock(address: str, port: int) -> Door:
    try:
        socket.create_connection((address, port), _DOOR_SECONDS).close()
    except ConnectionRefusedError:
        return Door.REFUSED
    except OSError:  # a time-out, or no route
        return Door.SILENT
    return Door.OPEN


def _certificate(address: str, port: int) -> Certificate | None:
    """What a port shows that speaks TLS from the first byte; None if it does not."""
    try:
        with (
            socket.create_connection((address, port), _DOOR_SECONDS) as link,
            any_certificate().wrap_socket(link) as secured,
        ):
            return _read(certificate_of(secured))
    except OSError:
        return None


def _read(der: bytes) -> Certificate | None:
    try:
        return Certificate.model_validate(told(der))
    except Unread:  # none, or nonsense
        return None
