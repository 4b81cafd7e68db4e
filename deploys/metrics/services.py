"""What measures a host, as whole configurations. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deploys.base.services import EXPORTER_PORT, WEB_PORT
from deploys.metrics import gathering
from deploys.metrics.gathering import Secrets
from deploys.operations.configuration import File, Service
from deploys.operations.render import render
from deploys.telegram import Telegram
from inventory.settings import Settings

COUNTERS = "/run/outreach-metrics"
CERTIFICATES = "/run/outreach-certificates"
ADDED = "/var/lib/prometheus/node-exporter"
"""Where any other program of a host may put a ``*.prom`` file; Debian's own place for it."""

_FOLDER = "/etc/prometheus/exporter"


@dataclass(frozen=True)
class MetricServices:
    """What measures a host; counters are a node's, and the last two the orchestrator's."""

    exporter: Service
    certificates: Service
    counters: Service | None = None
    alertmanager: Service | None = None
    prometheus: Service | None = None


def packages(host: Settings) -> tuple[str, ...]:
    """Debian packages that a host needs for them."""
    return ("prometheus-node-exporter", *(gathering.PACKAGES if host.orchestrator else ()))


def metric_services(host: Settings, disk_gib: int, secrets: Secrets, telegram: Telegram) -> MetricServices:
    """Decide what measures a host.

    Args:
        host: a host of any role.
        disk_gib: size of the orchestrator's disk.
        secrets: of the fleet and this host.
        telegram: the team's bot, perhaps none.

    Raises:
        ConfigurationError: the team's chat cannot be given to Alertmanager.
    """
    gathers = host.orchestrator is not None
    return MetricServices(
        exporter=exporter(host, secrets, told=bool(telegram)),
        certificates=certificates(host),
        counters=counters(host) if host.sends_mail else None,
        alertmanager=gathering.alertmanager(telegram) if gathers else None,
        prometheus=gathering.prometheus(host, disk_gib, secrets) if gathers else None,
    )


def exporter(host: Settings, secrets: Secrets, *, told: bool) -> Service:
    """Debian's exporter of a host's own figures and of everybody's text files, for the orchestrator alone.

    It shows its certificate and asks for one of the fleet's that bears the orchestrator's address: a node's
    own would be of the same authority.

    Args:
        host: a host of any role.
        secrets: of the fleet and this host.
        told: there is a bot; without one the notifier's unit does not run and is not looked at.
    """
    name = "prometheus-node-exporter"
    trust = secrets.trust()
    folders = (*((COUNTERS,) if host.sends_mail else ()), CERTIFICATES, ADDED)
    place = {"ipv4": host.ipv4, "port": EXPORTER_PORT, "folder": _FOLDER}
    return Service(
        name="exporter",
        files=(
            File(f"/etc/default/{name}", render("exporter/default", **place, folders=folders, told=told)),
            File(
                f"{_FOLDER}/web.yml",
                render("exporter/web.yml", folder=_FOLDER, client=host.orchestrator_ipv4),
            ),
            File(f"{_FOLDER}/ca.crt", trust.authority),
            File(f"{_FOLDER}/host.crt", trust.own.certificate),
            File(f"{_FOLDER}/host.key", trust.own.key, mode=0o640, group="prometheus", secret=True),
            File(f"/etc/systemd/system/{name}.service.d/outreach.conf", render("exporter/unit.conf")),
        ),
        unit=name,
        check=render("exporter/check.sh", **place),
        reload=_restarted(name),
        restart=_restarted(name),
        health=render("exporter/health.sh", **place),
    )


def counters(host: Settings) -> Service:
    """The project's own program that counts a node's mail."""
    name = "outreach-metrics"
    domains = sorted({*(domain.name for domain in host.domains), host.infra_domain, host.fqdn})
    return Service(
        name="counters",
        files=(
            File("/etc/outreach/metrics-domains", "".join(f"{domain}\n" for domain in domains)),
            File(f"/etc/systemd/system/{name}.service", render(f"counters/{name}.service")),
        ),
        unit=name,
        reload=_restarted(name),
        restart=_restarted(name),
        health=render("counters/health.sh", unit=name, textfile=f"{COUNTERS}/mail.prom"),
    )


def certificates(host: Settings) -> Service:
    """Until when the certificates hold that a host shows, asked at its own doors every hour."""
    name = "outreach-certificates"
    doors = (
        [("smtp", 25, "-starttls smtp"), ("submissions", 465, ""), ("imaps", 993, "")]
        if host.sends_mail
        else []
    )
    if host.orchestrator and "n8n" in host.orchestrator.services:
        doors.append(("https", WEB_PORT, ""))
    script = "/etc/outreach/certificates.sh"
    begin = f"systemctl daemon-reload\nsystemctl restart {name}.timer\nsystemctl start {name}.service"
    return Service(
        name="certificates",
        files=(
            File(
                script,
                render("certificates/certificates.sh", doors=doors, fqdn=host.fqdn, folder=CERTIFICATES),
            ),
            File(
                f"/etc/systemd/system/{name}.service", render(f"certificates/{name}.service", script=script)
            ),
            File(f"/etc/systemd/system/{name}.timer", render(f"certificates/{name}.timer")),
        ),
        unit=f"{name}.timer",
        check=f"sh -n {script}",
        reload=begin,
        restart=begin,
        health=f"[ -s {CERTIFICATES}/certificates.prom ]",
    )


def _restarted(name: str) -> str:
    begin = f"systemctl reset-failed {name} 2>/dev/null || true"
    return f"systemctl daemon-reload\n{begin}\nsystemctl restart {name}"
