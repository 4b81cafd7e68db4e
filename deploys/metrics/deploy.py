"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

from pyinfra.api.deploy import deploy
from pyinfra.context import host

from deploys.metrics.disk import DiskGib
from deploys.metrics.services import MetricServices, metric_services
from deploys.operations.service import configure
from deploys.telegram import telegram
from deploys.tools.deploy import Derived
from inventory.settings import Settings


@deploy("metrics")
def metrics(current: Settings) -> None:
    """Converge what measures a host, and on the orchestrator what gathers it.

    Args:
        current: the current host.
    """
    # Only the orchestrator has a database of figures, whose share of the disk it is.
    disk_gib = host.get_fact(DiskGib) if current.orchestrator else 0
    wanted: MetricServices = metric_services(current, disk_gib, Derived(current), telegram())
    configure(name="Mail counters", service=wanted.counters)
    configure(name="Certificates' days", service=wanted.certificates)
    configure(name="Exporter", service=wanted.exporter)
    # Who tells the team is up before there is anything to tell.
    configure(name="Alertmanager", service=wanted.alertmanager)
    configure(name="Prometheus", service=wanted.prometheus)
