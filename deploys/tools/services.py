"""The project's own tools on a host, as whole configurations. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Protocol

from deploys.base.services import API_PORT as PORT
from deploys.base.settings import Settings
from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.pki import HostCertificate
from deploys.tools.telegram import Telegram

PACKAGES = ("python3",)
STATE = "/var/lib/outreach-api"
"""Jobs and outbox, the user's own. /var/lib/outreach is root's, who believes what is in it."""

_NAME = "tools"
_RELEASE = "/etc/outreach/release"


@dataclass(frozen=True)
class ToolServices:
    """What switches a host to a release; the notifier's unit is None where nothing is served."""

    tools: Service
    notifier: Service | None = None


class Secrets(Protocol):
    """What is derived from the root secret."""

    def authority(self) -> str:
        """The fleet's CA certificate, PEM."""

    def certificate(self) -> HostCertificate:
        """This host's."""

    def api_key(self, fqdn: str) -> str:
        """The orchestrator's key to a node."""


def tool_services(host: Settings, version: str, secrets: Secrets, telegram: Telegram) -> ToolServices:
    """Decide the tools of a host.

    Args:
        host: a host of any role; only nodes serve.
        version: of the release that is to be the current one.
        secrets: of the fleet and this host.
        telegram: the team's bot, perhaps none.
    """
    files = (
        File(_RELEASE, f"{version}\n"),
        File("/etc/outreach/ca.crt", secrets.authority()),
    )
    if host.sends_mail:
        return ToolServices(_node(host, files, secrets, telegram), _notifier(telegram))
    nodes = File("/etc/outreach/nodes.json", _nodes(host, secrets), mode=0o640, group="outreach", secret=True)
    return ToolServices(_service(host, (*files, nodes)))


def sender(host: Settings) -> str:
    """Whose answers a node's questions are asked in: a mailbox that is there, of a name with MX and SPF.

    The infrastructure domain cannot be it: its SPF record says that it sends nothing.
    """
    return f"postmaster@{host.domains[0].name if host.domains else host.fqdn}"


def _node(host: Settings, files: tuple[File, ...], secrets: Secrets, telegram: Telegram) -> Service:
    own = secrets.certificate()
    digest = hashlib.sha256(secrets.api_key(host.fqdn).encode()).hexdigest()
    place = {"ipv4": host.ipv4, "port": PORT}
    unit = {"state_name": STATE.rpartition("/")[2], "telegram_url": telegram.base_url}
    files += (
        File("/etc/outreach/api.toml", render("tools/api.toml", state=STATE, **place)),
        _secret("/etc/outreach/api-keys.toml", render("tools/api-keys.toml", digest=digest)),
        File(
            "/etc/outreach/validator.toml",
            render("tools/validator.toml", fqdn=host.fqdn, ipv4=host.ipv4, sender=sender(host)),
        ),
        File("/etc/outreach/api.crt", own.certificate),
        _secret("/etc/outreach/api.key", own.key),
        # systemd hands these to the services (LoadCredential=); nobody else reads them.
        File("/etc/outreach/telegram_bot_token", telegram.token, mode=0o600, secret=True),
        File("/etc/outreach/telegram_chat_id", telegram.chat, mode=0o600, secret=True),
        File("/etc/systemd/system/outreach-api.socket", render("tools/outreach-api.socket", **place)),
        File("/etc/systemd/system/outreach-api.service", render("tools/outreach-api.service", **unit)),
    )
    return _service(host, files, unit="outreach-api", stop=render("tools/stop.sh"))


def _service(host: Settings, files: tuple[File, ...], unit: str | None = None, stop: str = "") -> Service:
    serves = host.sends_mail
    switch = render("tools/switch.sh", serves=serves)
    return Service(
        name=_NAME,
        files=files,
        unit=unit,
        check=render("tools/check.sh", serves=serves),
        reload=switch,
        restart=switch,
        health=render("tools/health.sh", serves=serves, name=_NAME, ipv4=host.ipv4, port=PORT),
        stop=stop,
        after=render("tools/prune.sh"),
    )


def _notifier(telegram: Telegram) -> Service:
    name = "outreach-notifier"
    unit = render(
        f"tools/{name}.service", state_name=STATE.rpartition("/")[2], telegram_url=telegram.base_url
    )
    restart = f"systemctl daemon-reload\nsystemctl restart {name}.service"
    return Service(
        name="notifier",
        files=(File(f"/etc/systemd/system/{name}.service", unit),),
        unit=name,
        reload=restart,
        restart=restart,
        # Twice, so that one that dies at once is seen; where no bot is configured systemd skips it.
        health=(
            f"for _ in 1 2; do ! systemctl -q is-failed {name} &&"
            f' [ "$(systemctl show -p NRestarts --value {name})" = 0 ] && sleep 1; done'
        ),
    )


def _secret(path: str, content: str) -> File:
    return File(path, content, mode=0o640, group="outreach", secret=True)


def _nodes(host: Settings, secrets: Secrets) -> str:
    fqdns = {
        name: f"{name}.{host.infra_domain}" for name in (host.orchestrator.nodes if host.orchestrator else ())
    }
    nodes = [
        {"name": name, "url": f"https://{fqdn}:{PORT}", "key": secrets.api_key(fqdn)}
        for name, fqdn in fqdns.items()
    ]
    return json.dumps({"ca": "/etc/outreach/ca.crt", "nodes": nodes}, indent=1) + "\n"
