"""What a host may be asked. Anything else is refused, whoever asks.

The orchestrator's key opens nothing on a host but this, as root. So who takes the orchestrator learns the
facts that :mod:`status.probe.main` reads, and may have a few connections tried from each host: no file is
named that the deploys did not make, no command, and nothing is written.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MOST_BYTES = 1 << 17
KNOCKS = (22, 25, 465, 587, 993, 8025, 9100)
"""Ports that a host is asked to knock at."""
MOST_KNOCKS = 64

_NAME = re.compile(r"(?!-)[A-Za-z0-9@_.:-]{1,100}")
_DOMAIN = re.compile(r"(?!-)[a-z0-9.-]{1,253}")
_ADDRESS = re.compile(r"(?!-)[!-;=?-~]{1,64}@[a-z0-9.-]{1,253}")  # printable ASCII without < and >
_KEY = re.compile(r"/var/lib/rspamd/dkim/[a-z0-9][a-z0-9._-]*\.key")
_CERTIFICATE = "/etc/outreach/tls/mail.pem"


class Refused(Exception):
    """It is not answered; one line."""


def checked(text: str) -> dict[str, Any]:
    """The questions that a text holds.

    Raises:
        Refused: they are not just those that may be asked.
    """
    if len(text) > MOST_BYTES:
        raise Refused("the question is too long")
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("that is no question: this key opens nothing but the probe") from None
    if not isinstance(asked, dict) or asked.keys() != _RULES.keys():
        raise Refused(f"a question has {', '.join(_RULES)}, and nothing else")
    for name, holds in _RULES.items():
        if not holds(asked[name]):
            raise Refused(f"{name}: that is not answered")
    return asked


def _text(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _ipv4(value: object) -> bool:
    try:
        return isinstance(value, str) and ipaddress.IPv4Address(value).is_multicast is False
    except ValueError:
        return False


def _door(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and _ipv4(value[0]) and value[1] in KNOCKS


def _list(most: int, holds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(holds, value))


def _keys(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        _text(_DOMAIN)(domain) and _text(_KEY)(path) and ".." not in path for domain, path in value.items()
    )


def _hub(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or value.keys() != {"name", "address", "n8n_workers"}:
        return False
    workers = value["n8n_workers"]
    counted = type(workers) is int and 0 <= workers <= 9
    return _text(_DOMAIN)(value["name"]) and _ipv4(value["address"]) and counted


_RULES: dict[str, Callable[[Any], bool]] = {
    "units": _list(64, _text(_NAME)),
    "mail": lambda value: isinstance(value, bool),
    "keys": _keys,
    "certificate": lambda value: value == _CERTIFICATE,
    "recipients": _list(1024, _text(_ADDRESS)),
    "knocks": _list(MOST_KNOCKS, _door),
    "outgoing": _list(4, _ipv4),
    "hub": _hub,
}
