"""Services, the firewall and logins, as a host itself tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from inventory import Role
from status.checks.judge import recommended, required, unread
from status.facts import Subject
from status.finding import Finding
from status.sections import Unit

BASE = ("ssh", "nftables", "chrony", "apt-daily-upgrade.timer", "unbound", "prometheus-node-exporter")
MAIL = ("rspamd", "dovecot", "postfix")
STORES = ("postgresql@17-main", "nats-server")
GATHERING = ("prometheus", "prometheus-alertmanager")
CHOSEN = {"n8n": ("valkey-server", "n8n", "caddy")}
"""Units of the orchestrator's services, by their name in the fleet file."""


def wanted(role: Role, chosen: Collection[str] = ()) -> tuple[str, ...]:
    """Units that must run: those of the services that the deploy converges.

    Those of our own tools are not among them: a host says itself which of them it has enabled.

    Args:
        role: of the host.
        chosen: services that the fleet file names for the orchestrator.
    """
    if role is Role.NODE:
        return (*BASE, *MAIL)
    return (*BASE, *STORES, *GATHERING, *(unit for name in sorted(chosen) for unit in CHOSEN.get(name, ())))


def units(subject: Subject) -> Iterator[Finding]:
    """Every service that the deploy set up runs and starts at boot; one that systemd skips may be off."""
    judge, facts = required(subject, "service"), subject.inside.facts
    yield from unread(subject, "units", judge)
    for name, unit in ((facts.units if facts else None) or {}).items():
        short = name.removesuffix(".service")
        if unit.active in ("active", "activating", "reloading") or not unit.runnable:
            if _starts_at_boot(unit):
                says = f"{unit.active} ({unit.sub})" if unit.runnable else "skipped by systemd here"
                yield judge.ok(says, short)
            else:
                yield judge.warning(
                    "runs, but is not enabled: it will not come back after a reboot",
                    f"`outreach apply --limit {subject.host}` enables it.",
                    short,
                )
        else:
            yield judge.failed(
                f"{unit.active} ({unit.sub})" if unit.sub else unit.active,
                f"See `journalctl -u {short}`; `outreach apply --limit {subject.host}` starts it.",
                short,
            )


def _starts_at_boot(unit: Unit) -> bool:
    return unit.enabled in ("", "enabled", "enabled-runtime", "static", "alias", "generated", "indirect")


def other_units(subject: Subject) -> Iterator[Finding]:
    """No other unit failed."""
    judge, facts = recommended(subject, "failed units"), subject.inside.facts
    yield from unread(subject, "failed", judge)
    if facts is None or "failed" in facts.errors:
        return
    told = {name.removesuffix(".service") for name in facts.units or {}}
    others = [name for name in facts.failed if name.removesuffix(".service") not in told]
    if others:
        yield judge.warning(f"{', '.join(others)} failed", f"See `systemctl status {others[0]}`.")
    else:
        yield judge.ok("none")


def firewall(subject: Subject) -> Iterator[Finding]:
    """Our rules are loaded, and what no rule lets in is dropped."""
    judge, facts = required(subject, "firewall"), subject.inside.facts
    yield from unread(subject, "firewall", judge)
    if facts is None or facts.firewall is None:
        return
    again = "`systemctl restart nftables`; `outreach plan` tells whether its file is as it should be."
    if not facts.firewall.loaded:
        yield judge.failed("the table `inet outreach` is not loaded: every port is open", again)
    elif not facts.firewall.drops:
        yield judge.failed("the table `inet outreach` does not drop what no rule lets in", again)
    else:
        yield judge.ok("loaded, drops by default")


def password_logins(subject: Subject) -> Iterator[Finding]:
    """Nobody logs in over SSH by password."""
    judge, facts = required(subject, "ssh password"), subject.inside.facts
    yield from unread(subject, "sshd", judge)
    if facts is None or facts.sshd is None:
        return
    said = facts.sshd
    wrong = [
        f"{name} {said.get(name, 'is not told')}"
        for name in ("passwordauthentication", "kbdinteractiveauthentication")
        if said.get(name) != "no"
    ]
    if said.get("permitrootlogin") == "yes":
        wrong.append("permitrootlogin yes")
    if wrong:
        yield judge.failed(
            f"sshd: {', '.join(wrong)}",
            f"Another file in sshd_config.d comes before ours; `outreach apply --limit {subject.host}`.",
        )
    else:
        yield judge.ok("refused")
