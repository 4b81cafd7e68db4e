"""The project's own tools on every host: a release beside the running one, then the switch, host by host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pyinfra.api.deploy import deploy

from deploys import pki
from deploys.base.settings import Settings
from deploys.operations.delivery import delivered
from deploys.operations.service import configure
from deploys.secrets import api_key, root_secret
from deploys.tools.install import delivery
from deploys.tools.release import Release, read_release
from deploys.tools.services import tool_services
from deploys.tools.telegram import telegram


@dataclass(frozen=True)
class _Derived:
    """What this host is given, derived from the root secret."""

    host: Settings

    def authority(self) -> str:
        return pki.authority(root_secret(), self.host.infra_domain)

    def certificate(self) -> pki.HostCertificate:
        host = self.host
        return pki.host_certificate(root_secret(), host.infra_domain, host.fqdn, host.ipv4)

    def api_key(self, fqdn: str) -> str:
        return api_key(root_secret(), fqdn)


@cache
def _release() -> Release:
    """This checkout's, read once: all hosts of a run get the same."""
    return read_release()


@deploy("tools")
def tools(current: Settings) -> None:
    """Converge the project's tools on a host.

    Args:
        current: the current host.
    """
    release = _release()
    wanted = tool_services(current, release.version, _Derived(current), telegram())
    # In parallel and beside what runs; the switch goes host by host, and not on after the first failure.
    delivered(name="Release", delivery=delivery(release))
    configure(name="Tools", service=wanted.tools, rolling=True)
    configure(name="Notifier", service=wanted.notifier)
