"""The services of every host, each as one whole configuration. Pure."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from deploys.operations.configuration import File, Observed, Service
from deploys.operations.render import render
from deploys.watchkey import authorization
from inventory.places import API_PORT
from inventory.settings import Settings

PACKAGES = (
    "ca-certificates",
    "chrony",
    "dns-root-data",
    "nftables",
    "openssl",
    "unattended-upgrades",
    "unbound",
    "unbound-host",
)
EXPORTER_PORT = 9100
"""Where a host's figures are, for the orchestrator alone."""
MAIL_PORTS = (465, 587, 993)
WEB_PORT = 443


def identity(host: Settings) -> Service:
    """Its name, before any service reads it."""
    return Service(
        name="identity",
        files=(
            File("/etc/hostname", render("identity/hostname", label=host.label)),
            File("/etc/hosts", render("identity/hosts", fqdn=host.fqdn, label=host.label)),
            File("/etc/cloud/cloud.cfg.d/99-outreach.cfg", render("identity/cloud.cfg")),
        ),
        reload="hostname -F /etc/hostname",
        restart="hostname -F /etc/hostname",
        health=render("identity/health.sh", fqdn=host.fqdn),
    )


def ssh(host: Settings, watcher: str) -> Service:
    """Root by key and nothing else; and for the orchestrator's key, the status probe and nothing else.

    Root, because it is what every provider hands out, and what an operator does here is root's work:
    a second user with sudo for everything is the same power behind one more thing to break. The log names the
    key.

    Args:
        host: a host of any role.
        watcher: public half of :func:`deploys.watchkey.watch_key`.
    """
    keys = {
        "ssh_keys": host.ssh_keys,
        "watcher": authorization(watcher, host.orchestrator_ipv4),
    }
    return Service(
        name="ssh",
        files=(
            File("/etc/ssh/sshd_config.d/00-outreach.conf", render("ssh/sshd.conf")),
            File("/etc/ssh/authorized_keys.d/root", render("ssh/authorized_keys", **keys)),
        ),
        unit="ssh",
        check=render("ssh/check.sh", ssh_keys=host.ssh_keys),
        reload="systemctl reload ssh",
        restart="systemctl restart ssh",
        health=render("ssh/health.sh"),
    )


def accounts(host: Settings) -> Service:
    """The users of the project's own tools and of n8n, and their folder: rules and files name them."""
    activate = "systemd-sysusers outreach.conf\nsystemd-tmpfiles --create outreach.conf"
    return Service(
        name="accounts",
        files=(
            File("/etc/sysusers.d/outreach.conf", render("accounts/sysusers.conf", n8n=_runs_n8n(host))),
            File("/etc/tmpfiles.d/outreach.conf", render("accounts/tmpfiles.conf")),
        ),
        check="systemd-sysusers --dry-run outreach.conf >/dev/null",
        reload=activate,
        restart=activate,
        health="id outreach >/dev/null",
    )


def firewall(host: Settings) -> Service:
    """What may come in, and that only Postfix and the validator speak SMTP outwards."""
    serves_web = _runs_n8n(host)
    rules = render(
        "firewall/nftables.conf",
        operator_networks=host.operator_networks,
        # For operators and the orchestrator alone.
        operator_ports=(22, *(MAIL_PORTS if host.sends_mail else ()), *((WEB_PORT,) if serves_web else ())),
        sends_mail=host.sends_mail,
        orchestrator=host.orchestrator_ipv4,
        api_port=API_PORT,
        exporter_port=EXPORTER_PORT,
        serves_web=serves_web,
        node_networks=host.orchestrator.node_networks if host.orchestrator else (),
    )
    return Service(
        name="firewall",
        files=(File("/etc/nftables.conf", rules, mode=0o755),),
        unit="nftables",
        check="nft -c -f /etc/nftables.conf",
        reload="systemctl reload nftables",
        restart="systemctl restart nftables",
        health="nft list table inet outreach >/dev/null",
    )


def _runs_n8n(host: Settings) -> bool:
    return host.orchestrator is not None and "n8n" in host.orchestrator.services


def locks_out(host: Settings, observed: Observed) -> str | None:
    """Why the firewall must not be closed from here: it would shut out the very session that closes it."""
    if observed.peer is None:
        return None
    if any(ip_address(observed.peer) in ip_network(network) for network in host.operator_networks):
        return None
    return (
        f"you come from {observed.peer}, which operators.addresses does not contain:"
        " the firewall would shut you out; add it to the fleet file"
    )


def locks_up(host: Settings, observed: Observed) -> str | None:
    """Why these keys must not be the only ones: the very key that installs them is not among them."""
    if observed.login is None or any(observed.login in key.split() for key in host.ssh_keys):
        return None
    return (
        "the key you log in with is not among operators.ssh_keys, and would be refused from now on;"
        " add it to the fleet file"
    )


def clock(_host: Settings) -> Service:
    """The right time: signatures and logs carry it."""
    return Service(
        name="chrony",
        files=(File("/etc/chrony/conf.d/outreach.conf", render("chrony/chrony.conf")),),
        unit="chrony",
        check="chronyd -p -f /etc/chrony/chrony.conf >/dev/null",
        reload="systemctl restart chrony",
        restart="systemctl restart chrony",
    )


def logs(_host: Settings) -> Service:
    """Logs that last and stay small."""
    return Service(
        name="journald",
        files=(File("/etc/systemd/journald.conf.d/outreach.conf", render("journald/journald.conf")),),
        reload="systemctl restart systemd-journald",
        restart="systemctl restart systemd-journald",
    )


def upgrades(_host: Settings) -> Service:
    """Security updates by themselves."""
    return Service(
        name="upgrades",
        files=(File("/etc/apt/apt.conf.d/52outreach", render("upgrades/apt.conf")),),
        unit="apt-daily-upgrade.timer",
        check=render("upgrades/check.sh"),
        reload="true",
        restart="systemctl -q enable --now apt-daily.timer apt-daily-upgrade.timer",
    )


def resolver(_host: Settings) -> Service:
    """A validating resolver of its own; resolv.conf follows only if it answers."""
    return Service(
        name="unbound",
        files=(
            File("/etc/unbound/unbound.conf.d/outreach.conf", render("unbound/unbound.conf")),
            File(
                "/etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf",
                render("unbound/root-auto-trust-anchor-file.conf"),
            ),
            File("/etc/resolv.conf", render("unbound/resolv.conf")),
        ),
        unit="unbound",
        check=render("unbound/check.sh"),
        reload="systemctl restart unbound",
        restart="systemctl restart unbound",
        health=render("unbound/health.sh"),
    )
