"""What Prometheus asks: jobs as values, and as it reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Target:
    """One place to ask.

    Args:
        host: label of the host, shown as ``instance``.
        address: ``ADDRESS:PORT``.
    """

    host: str
    address: str


@dataclass(frozen=True)
class Job:
    """Targets that are asked alike.

    Args:
        name: unique among all jobs.
        targets: whom.
        path: where its figures are.
        scheme: ``http`` or ``https``.
        tls: Prometheus' own `tls_config`.
        bearer: key to be shown; its file must be a secret one.
        label: the ``job`` label of its figures, where several jobs are one thing.
    """

    name: str
    targets: tuple[Target, ...]
    path: str = "/metrics"
    scheme: str = "http"
    tls: Mapping[str, str] = field(default_factory=dict)
    bearer: str = field(default="", repr=False)
    label: str = ""


def scrape_configs(jobs: Sequence[Job]) -> str:
    """A file for Prometheus' ``scrape_config_files``."""
    head = "# Written by outreach.\n"
    return head + yaml.safe_dump({"scrape_configs": [_job(job) for job in jobs]}, sort_keys=False)


def _job(job: Job) -> dict[str, Any]:
    wanted: dict[str, Any] = {"job_name": job.name, "metrics_path": job.path, "scheme": job.scheme}
    if job.tls:
        wanted["tls_config"] = dict(job.tls)
    if job.bearer:
        wanted["authorization"] = {"credentials": job.bearer}
    named = {"job": job.label} if job.label else {}
    wanted["static_configs"] = [
        {"targets": [target.address], "labels": {"instance": target.host, **named}} for target in job.targets
    ]
    return wanted
