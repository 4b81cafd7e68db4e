"""Checks of a host as such, one wrong thing at a time: only it is found, at its level."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from deploys.base import services as base_services
from deploys.base.services import MAIL_PORTS
from deploys.mail.services import mail_services
from deploys.metrics.services import metric_services
from deploys.n8n.services import n8n_services
from deploys.operations.configuration import Service
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.services import orchestrator_services
from deploys.pki import HostCertificate, Trust
from inventory import Role
from inventory.settings import Settings
from status.checks import (
    CHECKS,
    certificates,
    doors,
    engine,
    machine,
    n8n,
    names,
    reach,
    services,
    tools,
)
from status.facts import Answer, Door, HostNames, Inside, Outside, Verdict
from status.finding import Level
from tests.deploys.nodes.samples import node
from tests.deploys.nodes.test_services import TELEGRAM, Derived
from tests.status.samples import (
    FAILED,
    HUB,
    OK,
    PORTS,
    UNKNOWN,
    WARNING,
    judged,
    subject,
    with_facts,
)
from tests.status.samples import facts as healthy

SILENT = Outside(dict.fromkeys(PORTS, Door.SILENT))


def test_a_healthy_node_has_nothing_but_ok() -> None:
    found = [finding for check in CHECKS for finding in check(subject())]
    assert {finding.level for finding in found} == {OK}
    assert len({finding.key for finding in found}) == len(found)
    assert {finding.check for finding in found} >= {
        "spf",
        "dkim",
        "dmarc",
        "mx",
        "ptr",
        "helo",
        "queue",
        "disk",
    }


def test_the_units_that_must_run_are_those_the_deploy_converges() -> None:
    class Passwords:
        def password(self, address: str) -> str:
            return address

        def hash(self, address: str) -> str:
            return address

    def units(host: Settings) -> set[str]:
        mail = mail_services(host, Passwords())
        trust = Trust("CA", HostCertificate("certificate", "key"))
        more = orchestrator_services(host, 8, Credentials(b"0" * 32), "python3", trust)
        web = n8n_services(host, "2.0+r0", Credentials(b"0" * 32), "key")
        figures = metric_services(host, 80, Derived(), TELEGRAM)
        found = [
            base_services.ssh(host, "ssh-ed25519 AAAA"),
            *(make(host) for make in (base_services.firewall, base_services.clock)),
            *(make(host) for make in (base_services.upgrades, base_services.resolver)),
            *(getattr(part, field.name) for part in (mail, more, web, figures) for field in fields(part)),
        ]
        named = {service.unit for service in found if isinstance(service, Service) and service.unit}
        return {unit for unit in named if not unit.startswith("outreach-")}  # those a host tells itself

    assert units(node()) == set(services.wanted(Role.NODE))
    for chosen in ([], ["n8n"]):
        hub = node(role="orchestrator", services=chosen, nodes={})
        assert units(hub) == set(services.wanted(Role.ORCHESTRATOR, chosen))


def test_the_doors_of_operators_are_those_of_the_firewall() -> None:
    assert {Role.NODE: (22, *MAIL_PORTS), Role.ORCHESTRATOR: (22,)} == doors.OPERATOR_DOORS


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"inside": Inside(None, "no SSH"), "outside": SILENT}, "does not answer on any port"),
        ({"inside": Inside(None, "its SSH host key is not pinned")}, "cannot be asked: its SSH host key"),
        ({"inside": Inside(None), "address": None, "outside": Outside()}, "no address"),
    ],
)
def test_a_host_that_cannot_be_asked_is_one_finding(over: dict[str, Any], says: str) -> None:
    (finding,) = reach.reach(subject(**over))
    assert (finding.level, finding.broken) == (FAILED, True)
    assert says in finding.says
    assert finding.advice


def test_a_silent_host_is_said_once_and_its_inside_is_not_guessed_at() -> None:
    gone = subject(inside=Inside(None, "no SSH"), outside=SILENT, strangers={})
    bad = [finding.check for check in CHECKS for finding in check(gone) if finding.level is not OK]
    assert bad == ["reach"]


def test_a_host_without_an_address_is_said_once() -> None:
    nowhere = subject(
        address=None,
        inside=Inside(None),
        outside=Outside(),
        strangers={},
        names=HostNames(Answer(), Answer(), Verdict("none", ""), {}),
    )
    bad = [finding.check for check in CHECKS for finding in check(nowhere) if finding.level is not OK]
    assert bad == ["reach"]


UNIT = {"active": "active", "sub": "running", "enabled": "enabled"}


@pytest.mark.parametrize(
    ("unit", "level"),
    [
        (UNIT, OK),
        ({**UNIT, "active": "reloading"}, OK),
        ({**UNIT, "active": "inactive", "sub": "dead", "runnable": False}, OK),
        ({**UNIT, "enabled": "disabled"}, WARNING),
        ({**UNIT, "active": "inactive", "sub": "dead"}, FAILED),
        ({**UNIT, "active": "failed"}, FAILED),
        ({"active": "not-found"}, FAILED),
        ({**UNIT, "active": "masked"}, FAILED),
    ],
)
def test_a_service_must_run_unless_systemd_itself_skips_it(unit: dict[str, Any], level: Level) -> None:
    assert judged(services.units, with_facts(units={"postfix": unit})) == [("postfix", level)]


@pytest.mark.parametrize(
    ("failed", "levels"), [([], [OK]), (["backup.service"], [WARNING]), (["postfix.service"], [OK])]
)
def test_another_failed_unit_is_a_warning_and_one_that_is_told_already_is_not_told_again(
    failed: list[str], levels: list[Level]
) -> None:
    found = list(services.other_units(with_facts(failed=failed)))
    assert [finding.level for finding in found] == levels


@pytest.mark.parametrize(
    ("firewall", "level"),
    [
        ({"loaded": True, "drops": True}, OK),
        ({"loaded": True, "drops": False}, FAILED),
        ({"loaded": False, "drops": False}, FAILED),
    ],
)
def test_the_firewall_is_loaded_and_drops(firewall: dict[str, bool], level: Level) -> None:
    assert judged(services.firewall, with_facts(firewall=firewall)) == [("", level)]


@pytest.mark.parametrize(
    ("over", "level"),
    [
        ({}, OK),
        ({"passwordauthentication": "yes"}, FAILED),
        ({"kbdinteractiveauthentication": "yes"}, FAILED),
        ({"permitrootlogin": "yes"}, FAILED),
    ],
)
def test_nobody_logs_in_by_password(over: dict[str, str], level: Level) -> None:
    sshd = {**(healthy().sshd or {}), **over}
    assert judged(services.password_logins, with_facts(sshd=sshd)) == [("", level)]


def test_every_door_that_should_be_open_has_somebody_behind_it() -> None:
    (finding,) = doors.listening(with_facts(listening=[22, 25]))
    assert (finding.level, finding.says) == (FAILED, "nothing listens on port 465, 587, 993")


@pytest.mark.parametrize(
    ("door", "strangers", "gets_out", "level"),
    [
        (Door.OPEN, {}, None, OK),
        (Door.REFUSED, {}, False, FAILED),
        (Door.SILENT, {}, None, FAILED),
        (Door.SILENT, {}, True, FAILED),  # mail servers of others answer here
        (Door.SILENT, {}, False, UNKNOWN),  # our own network blocks it, and nobody else has tried
        (Door.SILENT, {25: True}, False, OK),  # our own network blocks it, another node gets through
        (Door.SILENT, {25: False}, False, FAILED),
    ],
)
def test_port_25_is_open_from_here_or_from_another_node_and_a_network_that_blocks_it_tells_nothing(
    door: Door, strangers: dict[int, bool], *, gets_out: bool | None, level: Level
) -> None:
    outside = Outside({25: door, 22: Door.OPEN})
    seen = subject(outside=outside, strangers=strangers, mail_gets_out=gets_out)
    assert ("25", level) in judged(doors.open_doors, seen)


@pytest.mark.parametrize(
    ("strangers", "levels"),
    [
        ({25: True, 22: False, 993: False}, [OK]),
        ({25: True, 22: False, 993: True}, [FAILED]),
        ({25: False, 22: True}, [FAILED]),
        ({25: False, 22: False}, []),  # they got nowhere: that proves nothing
        ({}, []),
    ],
)
def test_strangers_get_in_at_no_door_but_port_25(strangers: dict[int, bool], levels: list[Level]) -> None:
    assert [level for _, level in judged(doors.closed_doors, subject(strangers=strangers))] == levels


@pytest.mark.parametrize(
    ("strangers", "found"),
    [({25: True}, [("22", OK), ("25", OK)]), ({25: False}, [("22", OK), ("25", FAILED)]), ({}, [("22", OK)])],
)
def test_where_nobody_dials_port_25_other_nodes_tell(
    strangers: dict[int, bool], found: list[tuple[str, Level]]
) -> None:
    seen = subject(outside=Outside({22: Door.OPEN}), strangers=strangers)
    assert judged(doors.open_doors, seen) == found


def test_an_orchestrator_takes_no_mail_and_lets_no_stranger_in() -> None:
    hub = subject(**HUB, strangers={22: False})
    assert judged(doors.closed_doors, hub) == [("", OK)]
    assert judged(doors.closed_doors, replace(hub, strangers={22: True})) == [("", FAILED)]
    assert judged(doors.outgoing, hub) == []


@pytest.mark.parametrize(
    ("over", "level", "broken"),
    [
        ({}, OK, False),
        ({"outgoing": {"problem": "192.0.2.1: timed out"}}, FAILED, True),
        ({"outgoing": None}, UNKNOWN, False),
        ({"outgoing": None, "errors": {"outgoing": "it broke"}}, UNKNOWN, True),
    ],
)
def test_a_node_reaches_mail_servers_of_others(over: dict[str, Any], level: Level, broken: bool) -> None:
    (finding,) = doors.outgoing(with_facts(**over))
    assert (finding.level, finding.broken) == (level, broken)


SECTIONS: dict[str, Any] = {
    "units": services.units,
    "failed": services.other_units,
    "firewall": services.firewall,
    "sshd": services.password_logins,
    "listening": doors.listening,
    "outgoing": doors.outgoing,
    "mail": names.helo,
    "disks": machine.disk,
    "memory": machine.memory,
    "queue": machine.queue,
    "updates": machine.updates,
    "clock": machine.clock,
    "release": tools.release,
    "nats": engine.streams,
    "nats_certificate": certificates.of_the_hub,
    "web_certificate": certificates.of_the_hub,
    "engine": engine.coordinator,
    "n8n": n8n.processes,
    "credentials": n8n.credentials,
    "workflows": n8n.workflows,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_a_host_could_not_read_is_unknown_with_its_reason(section: str) -> None:
    absent: Any = [] if section == "failed" else None
    seen = with_facts(**{section: absent, "errors": {section: "it took longer than 15 s"}})
    found = [f for f in SECTIONS[section](seen) if f.level is not OK]
    assert [(f.level, f.says) for f in found] == [(UNKNOWN, "could not be read: it took longer than 15 s")]
