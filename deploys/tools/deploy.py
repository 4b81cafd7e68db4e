"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pyinfra.api.deploy import deploy

from deploys import pki
from deploys.operations.delivery import delivered
from deploys.operations.service import configure
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.postgresql import account
from deploys.secrets import api_key, caller_key, root_secret
from deploys.telegram import telegram
from deploys.tools.install import ROOT, delivery
from deploys.tools.release import Release, read_release
from deploys.tools.services import tool_services
from inventory.settings import Settings


@dataclass(frozen=True)
class Derived:
    """What this host is given, derived from the root secret."""

    host: Settings

    def trust(self) -> pki.Trust:
        host = self.host
        return pki.trust(root_secret(), host.infra_domain, host.fqdn, host.ipv4)

    def api_key(self, fqdn: str) -> str:
        return api_key(root_secret(), fqdn)

    def caller_key(self, caller: str) -> str:
        return caller_key(root_secret(), caller, self.host.fqdn)

    def seed(self) -> str:
        return Credentials(root_secret()).identity(self.host.label).seed

    def password(self, database: str) -> str:
        return Credentials(root_secret()).password(account(database))


@cache
def _release() -> Release:
    """This checkout's, read once: all hosts of a run get the same."""
    return read_release()


def python() -> str:
    """The interpreter of this checkout's release, where that is installed."""
    return f"{ROOT}/{_release().version}/bin/python"


@deploy("release")
def release_brought() -> None:
    """Have the release on the host, in parallel and beside what runs."""
    delivered(name="Release", delivery=delivery(_release()))


@deploy("tools")
def tools(current: Settings) -> None:
    """Converge the project's tools on a host that has the release.

    Args:
        current: the current host.
    """
    wanted = tool_services(current, _release().version, Derived(current), telegram())
    # The switch goes host by host, and not on after the first failure.
    configure(name="Tools", service=wanted.tools, rolling=True)
    configure(name="Notifier", service=wanted.notifier)
    configure(name="Coordinator", service=wanted.coordinator)
