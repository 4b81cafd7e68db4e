"""Figures of every host, gathered on the orchestrator, and what of them the team is told."""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from deploys import pki
from deploys.base.settings import Settings
from deploys.metrics.disk import DiskGib
from deploys.metrics.services import MetricServices, metric_services
from deploys.operations.service import configure
from deploys.secrets import api_key, root_secret
from deploys.tools.telegram import telegram


class _Derived:
    """What this host is given, derived from the root secret."""

    def __init__(self, current: Settings) -> None:
        self.host = current

    def authority(self) -> str:
        return pki.authority(root_secret(), self.host.infra_domain)

    def certificate(self) -> pki.HostCertificate:
        here = self.host
        return pki.host_certificate(root_secret(), here.infra_domain, here.fqdn, here.ipv4)

    def api_key(self, fqdn: str) -> str:
        return api_key(root_secret(), fqdn)


@deploy("metrics")
def metrics(current: Settings) -> None:
    """Converge what measures a host, and on the orchestrator what gathers it.

    Args:
        current: the current host.
    """
    # Only the orchestrator has a database of figures, whose share of the disk it is.
    disk_gib = host.get_fact(DiskGib) if current.orchestrator else 0
    wanted: MetricServices = metric_services(current, disk_gib, _Derived(current), telegram())
    configure(name="Mail counters", service=wanted.counters)
    configure(name="Certificates' days", service=wanted.certificates)
    configure(name="Exporter", service=wanted.exporter)
    # Who tells the team is up before there is anything to tell.
    configure(name="Alertmanager", service=wanted.alertmanager)
    configure(name="Prometheus", service=wanted.prometheus)
