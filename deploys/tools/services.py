"""The project's own tools on a host, as whole configurations. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.orchestrator.nats import url as nats_url
from deploys.pki import Trust
from deploys.telegram import Telegram
from inventory.places import API_PORT as PORT
from inventory.places import REPORTS
from inventory.settings import Settings

PACKAGES = ("python3",)
STATE = "/var/lib/outreach-api"
"""Jobs and outbox, the user's own. /var/lib/outreach is root's, who believes what is in it."""
NODE_CALLERS = {"orchestrator": ("validate", "jobs", "notify", "metrics")}
ORCHESTRATOR_CALLERS = {
    "n8n": ("validate", "jobs", "notify", "metrics", "reports"),
    "operator": ("validate", "jobs", "notify", "metrics", "reports"),
    "prometheus": ("metrics",),
}
"""Who may call the orchestrator's own REST service, and what for."""

_NAME = "tools"
_RELEASE, _AUTHORITY, _SEED = (f"/etc/outreach/{name}" for name in ("release", "ca.crt", "nats.seed"))
_ENGINE = "/etc/outreach/engine.toml"
_STATE_NAME = STATE.rpartition("/")[2]


@dataclass(frozen=True)
class ToolServices:
    """What switches a host to a release, and its other units; only the orchestrator has a coordinator."""

    tools: Service
    notifier: Service
    coordinator: Service | None = None


class Secrets(Protocol):
    """What is derived from the root secret."""

    def trust(self) -> Trust:
        """The fleet's authority and this host's certificate."""

    def api_key(self, fqdn: str) -> str:
        """The orchestrator's key to a node."""

    def caller_key(self, caller: str) -> str:
        """A caller's key to the orchestrator's own service."""

    def seed(self) -> str:
        """This host's identity towards NATS."""

    def password(self, database: str) -> str:
        """Of a database's role."""


def tool_services(host: Settings, version: str, secrets: Secrets, telegram: Telegram) -> ToolServices:
    """Decide the tools of a host.

    Args:
        host: a host of any role.
        version: of the release that is to be the current one.
        secrets: of the fleet and this host.
        telegram: the team's bot, perhaps none.
    """
    files = (
        File(_RELEASE, f"{version}\n"),
        File(_AUTHORITY, secrets.trust().authority),
        _secret(_SEED, f"{secrets.seed()}\n"),
        # systemd hands these to the services (LoadCredential=); nobody else reads them.
        File("/etc/outreach/telegram_bot_token", telegram.token, mode=0o600, secret=True),
        File("/etc/outreach/telegram_chat_id", telegram.chat, mode=0o600, secret=True),
    )
    if host.sends_mail:
        return ToolServices(_node(host, files, secrets, telegram), _notifier(telegram))
    tools = _orchestrator(host, files, secrets, telegram)
    return ToolServices(tools, _notifier(telegram), _coordinator(host, secrets))


def sender(host: Settings) -> str:
    """Whose answers a node's questions are asked in: a mailbox that is there, of a name with MX and SPF.

    The infrastructure domain cannot be it: its SPF record says that it sends nothing.
    """
    return f"postmaster@{host.domains[0].name if host.domains else host.fqdn}"


def _node(host: Settings, files: tuple[File, ...], secrets: Secrets, telegram: Telegram) -> Service:
    """A node serves over TLS, and asks mail servers: for its callers, and for the fleet."""
    own = secrets.trust().own
    worker = {"node": host.label, "nats": nats_url(host.orchestrator_ipv4), "seed": _SEED, "ca": _AUTHORITY}
    files += (
        File(
            "/etc/outreach/api.toml",
            render("tools/api.toml", state=STATE, listen=f"{host.ipv4}:{PORT}", worker=worker),
        ),
        _keys(NODE_CALLERS, {"orchestrator": secrets.api_key(host.fqdn)}),
        File(
            "/etc/outreach/validator.toml",
            render("tools/validator.toml", fqdn=host.fqdn, ipv4=host.ipv4, sender=sender(host)),
        ),
        File("/etc/outreach/api.crt", own.certificate),
        _secret("/etc/outreach/api.key", own.key),
        *_units(host.ipv4, telegram),
    )
    return _service(files, host.ipv4, tls=True)


def _orchestrator(host: Settings, files: tuple[File, ...], secrets: Secrets, telegram: Telegram) -> Service:
    """The orchestrator serves its own programs, on loopback; the fleet asks the mail servers for it."""
    keys = {caller: secrets.caller_key(caller) for caller in ORCHESTRATOR_CALLERS}
    settings = render(
        "tools/api.toml",
        state=STATE,
        listen=f"127.0.0.1:{PORT}",
        worker=None,
        database=_database(secrets),
        reports=REPORTS,
    )
    files += (
        _secret("/etc/outreach/api.toml", settings),
        _keys(ORCHESTRATOR_CALLERS, keys),
        _secret("/etc/outreach/nodes.json", _nodes(host, secrets)),
        *_units("127.0.0.1", telegram),
    )
    return _service(files, "127.0.0.1", tls=False)


def _units(ipv4: str, telegram: Telegram) -> tuple[File, ...]:
    unit = {"state_name": _STATE_NAME, "telegram_url": telegram.base_url}
    return (
        File(
            "/etc/systemd/system/outreach-api.socket",
            render("tools/outreach-api.socket", ipv4=ipv4, port=PORT),
        ),
        File("/etc/systemd/system/outreach-api.service", render("tools/outreach-api.service", **unit)),
    )


def _service(files: tuple[File, ...], ipv4: str, *, tls: bool) -> Service:
    switch = render("tools/switch.sh")
    return Service(
        name=_NAME,
        files=files,
        unit="outreach-api",
        check=render("tools/check.sh"),
        reload=switch,
        restart=switch,
        # Who serves over TLS is a node, and asks mail servers.
        health=render("tools/health.sh", name=_NAME, ipv4=ipv4, port=PORT, tls=tls, probes=tls),
        stop=render("tools/stop.sh"),
        after=render("tools/prune.sh"),
    )


def _notifier(telegram: Telegram) -> Service:
    name = "outreach-notifier"
    unit = render(f"tools/{name}.service", state_name=_STATE_NAME, telegram_url=telegram.base_url)
    # Where no bot is configured systemd skips it.
    return _daemon(name, "notifier", (File(f"/etc/systemd/system/{name}.service", unit),))


def _coordinator(host: Settings, secrets: Secrets) -> Service:
    """What cuts lists, hands them to the nodes and keeps their verdicts."""
    name = "outreach-coordinator"
    settings = render(
        "tools/engine.toml",
        database=_database(secrets),
        nats=nats_url(host.ipv4),
        seed=_SEED,
        ca=_AUTHORITY,
    )
    files = (
        _secret(_ENGINE, settings),
        File(f"/etc/systemd/system/{name}.service", render(f"tools/{name}.service")),
    )
    check = f"runuser -u outreach -- /opt/outreach/current/bin/outreach-engine check --coordinator {_ENGINE}"
    return _daemon(name, "coordinator", files, check)


def _daemon(unit: str, name: str, files: tuple[File, ...], check: str = "true") -> Service:
    restart = f"systemctl daemon-reload\nsystemctl restart {unit}.service"
    return Service(
        name=name,
        files=files,
        unit=unit,
        check=check,
        reload=restart,
        restart=restart,
        # Twice, so that one that dies at once is seen.
        health=(
            f"for _ in 1 2; do ! systemctl -q is-failed {unit} &&"
            f' [ "$(systemctl show -p NRestarts --value {unit})" = 0 ] && sleep 1; done'
        ),
    )


def _secret(path: str, content: str) -> File:
    return File(path, content, mode=0o640, group="outreach", secret=True)


def _database(secrets: Secrets) -> str:
    return f"host=127.0.0.1 dbname=engine user=engine password={secrets.password('engine')}"


def _keys(callers: Mapping[str, tuple[str, ...]], keys: Mapping[str, str]) -> File:
    """The keys file: a service knows its callers' keys by their hashes alone."""
    digests = {name: hashlib.sha256(keys[name].encode()).hexdigest() for name in callers}
    entries = [
        {"name": name, "digest": digests[name], "scopes": json.dumps(scopes)}
        for name, scopes in callers.items()
    ]
    return _secret("/etc/outreach/api-keys.toml", render("tools/api-keys.toml", callers=entries))


def _nodes(host: Settings, secrets: Secrets) -> str:
    fqdns = {
        name: f"{name}.{host.infra_domain}" for name in (host.orchestrator.nodes if host.orchestrator else ())
    }
    nodes = [
        {"name": name, "url": f"https://{fqdn}:{PORT}", "key": secrets.api_key(fqdn)}
        for name, fqdn in fqdns.items()
    ]
    return json.dumps({"ca": _AUTHORITY, "nodes": nodes}, indent=1) + "\n"
