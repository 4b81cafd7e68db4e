"""The operations in their order, and what each is given. Takes the second that importing pyinfra takes."""

from __future__ import annotations

from functools import partial

from pyinfra.api.deploy import deploy

from deploys.base import services
from deploys.operations.packages import installed
from deploys.operations.service import configure
from deploys.secrets import root_secret
from deploys.watchkey import watch_key
from inventory.settings import Settings


@deploy("base")
def base(current: Settings, packages: tuple[str, ...]) -> None:
    """Converge what all hosts share.

    Args:
        current: the current host.
        packages: what its role needs; all are installed in one go.
    """
    # Everything below configures a package. Their services are held back until their files are there.
    installed(name="Packages", names=packages)
    # The name first: services read it when they start.
    configure(name="Host name", service=services.identity(current))
    watcher = watch_key(root_secret(), current.infra_domain).public
    configure(name="SSH", service=services.ssh(current, watcher), refuse=partial(services.locks_up, current))
    configure(name="User of the tools", service=services.accounts(current))
    # Closed before any service that listens is started; its rules name the users `postfix` and `outreach`.
    configure(
        name="Firewall", service=services.firewall(current), refuse=partial(services.locks_out, current)
    )
    configure(name="Clock", service=services.clock(current))
    configure(name="Logs", service=services.logs(current))
    configure(name="Security updates", service=services.upgrades(current))
    # After the packages, whose names the provider's resolver answers, and before anything that sends.
    configure(name="Resolver", service=services.resolver(current))
