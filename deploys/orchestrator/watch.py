"""The orchestrator's look at its fleet, every hour. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.tools.services import STATE
from deploys.watchkey import WatchKey
from inventory import allocate
from inventory.dqs import CREDENTIAL
from inventory.hostkeys import KEY_TYPE, read_pins
from inventory.model import Fleet
from inventory.places import REPORTS

UNIT = "outreach-status"
FOLDER = "/var/lib/outreach-status"
"""What it saw the last time."""

_FLEET, _PINS, _KEY, _DQS = (
    f"/etc/outreach/{name}" for name in ("fleet.json", "known_hosts", "status.key", CREDENTIAL)
)


@dataclass(frozen=True)
class Asked:
    """Whom the look asks, out of the operator's environment.

    Args:
        via: a domain whose mail server nodes dial; empty for the usual.
        telegram_url: a local Bot API server; empty for Telegram's.
        dqs_key: of Spamhaus' Data Query Service; empty: Spamhaus is not asked.
    """

    via: str = ""
    telegram_url: str = ""
    dqs_key: str = field(default="", repr=False)


def watch(fleet: Fleet, known_hosts: str, key: WatchKey, asked: Asked) -> Service:
    """The timer and what it starts.

    Args:
        fleet: the fleet file; there is no secret in it.
        known_hosts: text of the file in which the hosts' keys are pinned.
        key: opens the probe on every host.
        asked: whom it asks.
    """
    unit = {"folder": FOLDER, "state": STATE, "reports": REPORTS, "key": _KEY, "dqs": _DQS}
    service = render(f"status/{UNIT}.service", via=asked.via, telegram_url=asked.telegram_url, **unit)
    restart = f"systemctl daemon-reload\nsystemctl restart {UNIT}.timer"
    return Service(
        name="status",
        files=(
            File(_FLEET, fleet.model_dump_json(indent=1) + "\n", mode=0o640, group="outreach"),
            File(_PINS, pinned(fleet, known_hosts)),
            # systemd hands these to the unit (LoadCredential=); nobody else reads them.
            File(_KEY, key.private, mode=0o600, secret=True),
            File(_DQS, asked.dqs_key, mode=0o600, secret=True),
            File(f"/etc/systemd/system/{UNIT}.service", service),
            File(f"/etc/systemd/system/{UNIT}.timer", render(f"status/{UNIT}.timer")),
        ),
        unit=f"{UNIT}.timer",
        check=f"runuser -u outreach -- /opt/outreach/current/bin/{UNIT} check",
        reload=restart,
        restart=restart,
        health=f"systemctl -q is-active {UNIT}.timer",
    )


def pinned(fleet: Fleet, known_hosts: str) -> str:
    """The lines of a known_hosts file that are for hosts of a fleet, in its order."""
    pins = read_pins(known_hosts)
    lines = [
        f"{','.join(sorted(pin.names))} {KEY_TYPE} {pin.key}\n"
        for server in allocate(fleet).servers
        for pin in pins
        if server.fqdn in pin.names
    ]
    return "# Written by outreach: the keys that were pinned beside the fleet file.\n" + "".join(lines)
