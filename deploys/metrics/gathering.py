"""What the orchestrator gathers and whom it tells: Prometheus and Alertmanager, on loopback. Pure."""

from __future__ import annotations

from typing import Protocol

from deploys.base.services import EXPORTER_PORT
from deploys.metrics.jobs import Job, Target, scrape_configs
from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.pki import Trust
from deploys.telegram import Telegram
from inventory.places import API_PORT
from inventory.settings import Settings
from notifier import ConfigurationError

PACKAGES = ("prometheus", "prometheus-alertmanager")
RETENTION_DAYS = 90
RULES = ("hosts", "mail", "engine")

_FOLDER = "/etc/prometheus"
_CA = f"{_FOLDER}/scraper/ca.crt"
_LOOPBACK = "127.0.0.1"


class Secrets(Protocol):
    """What is derived from the root secret."""

    def trust(self) -> Trust:
        """The fleet's authority and this host's certificate."""

    def api_key(self, fqdn: str) -> str:
        """The orchestrator's key to a node's REST service."""

    def caller_key(self, caller: str) -> str:
        """A caller's key to the orchestrator's own service."""


def prometheus(host: Settings, disk_gib: int, secrets: Secrets) -> Service:
    """The database of figures, proven by its own word that it took its configuration.

    Args:
        host: the orchestrator.
        disk_gib: size of its disk, of which a tenth may be filled: databases and backups live there too.
        secrets: of the fleet and this host.
    """
    trust = secrets.trust()
    default = File(
        "/etc/default/prometheus",
        render("prometheus/default", days=RETENTION_DAYS, gib=max(1, disk_gib // 10)),
    )
    unit = File("/etc/systemd/system/prometheus.service.d/outreach.conf", render("prometheus/unit.conf"))
    return Service(
        name="prometheus",
        files=(
            default,
            unit,
            File(f"{_FOLDER}/prometheus.yml", render("prometheus/prometheus.yml")),
            *(_rules(name) for name in RULES),
            File(f"{_FOLDER}/scrape/hosts.yml", scrape_configs(host_jobs(host))),
            _secret(f"{_FOLDER}/scrape/api.yml", scrape_configs(api_jobs(host, secrets))),
            File(f"{_FOLDER}/scrape/own.yml", scrape_configs(own_jobs(host))),
            File(_CA, trust.authority),
            File(f"{_FOLDER}/scraper/host.crt", trust.own.certificate),
            _secret(f"{_FOLDER}/scraper/host.key", trust.own.key),
        ),
        unit="prometheus",
        check=f"promtool check config {_FOLDER}/prometheus.yml >/dev/null",
        reload="systemctl reload prometheus",
        restart="systemctl daemon-reload\nsystemctl restart prometheus",
        restart_for=frozenset({default.path, unit.path}),
        health=render("prometheus/health.sh"),
    )


def host_jobs(host: Settings) -> tuple[Job, ...]:
    """Every host's exporter: by address, so that a name server that fails blinds nobody."""
    targets = [Target(host.label, f"{host.ipv4}:{EXPORTER_PORT}")]
    targets += [Target(name, f"{ipv4}:{EXPORTER_PORT}") for name, ipv4 in _nodes(host).items()]
    tls = {
        "ca_file": _CA,
        "cert_file": f"{_FOLDER}/scraper/host.crt",
        "key_file": f"{_FOLDER}/scraper/host.key",
    }
    return (Job("host", tuple(targets), scheme="https", tls=tls),)


def api_jobs(host: Settings, secrets: Secrets) -> tuple[Job, ...]:
    """Every host's REST service, one job each: each has its own key; the orchestrator's is on loopback."""
    own = Job(
        f"api-{host.label}",
        (Target(host.label, f"{_LOOPBACK}:{API_PORT}"),),
        bearer=secrets.caller_key("prometheus"),
        label="api",
    )
    nodes = tuple(
        Job(
            f"api-{name}",
            (Target(name, f"{ipv4}:{API_PORT}"),),
            scheme="https",
            tls={"ca_file": _CA},
            bearer=secrets.api_key(f"{name}.{host.infra_domain}"),
            label="api",
        )
        for name, ipv4 in _nodes(host).items()
    )
    return (own, *nodes)


def own_jobs(host: Settings) -> tuple[Job, ...]:
    """What answers on the orchestrator's loopback. One line here is all that another service needs."""
    services = host.orchestrator.services if host.orchestrator else frozenset[str]()
    found = {"prometheus": 9090, "alertmanager": 9093}
    if "n8n" in services:
        found["n8n"] = 5678
    return tuple(Job(name, (Target(host.label, f"{_LOOPBACK}:{port}"),)) for name, port in found.items())


def alertmanager(telegram: Telegram) -> Service:
    """Who groups alerts and tells the team; without a bot nobody is told, and they wait to be looked at.

    Raises:
        ConfigurationError: the chat is an @name, which Alertmanager does not take.
    """
    name = "prometheus-alertmanager"
    if telegram and telegram.chat.startswith("@"):
        raise ConfigurationError(
            f"TELEGRAM_CHAT_ID is {telegram.chat}: Alertmanager takes a chat's number only"
        )
    token_file = f"{_FOLDER}/telegram_bot_token"
    default = File(f"/etc/default/{name}", render("alertmanager/default"))
    unit = File(f"/etc/systemd/system/{name}.service.d/outreach.conf", render("alertmanager/unit.conf"))
    return Service(
        name="alertmanager",
        files=(
            default,
            unit,
            _secret(
                f"{_FOLDER}/alertmanager.yml",
                render("alertmanager/alertmanager.yml", telegram=telegram, token_file=token_file),
            ),
            File(f"{_FOLDER}/alertmanager_templates/outreach.tmpl", render("alertmanager/outreach.tmpl")),
            _secret(token_file, telegram.token),
        ),
        unit=name,
        check=f"amtool check-config {_FOLDER}/alertmanager.yml >/dev/null",
        reload=f"systemctl reload {name}",
        restart=f"systemctl daemon-reload\nsystemctl restart {name}",
        restart_for=frozenset({default.path, unit.path}),
        health=render("alertmanager/health.sh"),
    )


def _nodes(host: Settings) -> dict[str, str]:
    """Address by node, of those whose address is known."""
    nodes = host.orchestrator.nodes if host.orchestrator else {}
    return {name: address for name, address in nodes.items() if address}


def _rules(name: str) -> File:
    return File(f"{_FOLDER}/rules/{name}.yml", render(f"prometheus/rules/{name}.yml"))


def _secret(path: str, content: str) -> File:
    return File(path, content, mode=0o640, group="prometheus", secret=True)
