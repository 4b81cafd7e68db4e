"""Each check, fine and in every way that it can be otherwise."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from deploys.base import services as base_services
from deploys.base.services import MAIL_PORTS
from deploys.base.settings import Settings
from deploys.mail.services import mail_services
from deploys.metrics.services import metric_services
from deploys.n8n.services import n8n_services
from deploys.operations.configuration import Service
from deploys.orchestrator.credentials import Credentials
from deploys.orchestrator.services import orchestrator_services
from deploys.pki import HostCertificate, Trust
from inventory import Role
from status.checks import CHECKS, backups, doors, fleet, machine, names, reach, senders, services, smtp, tools
from status.facts import Answer, Certificate, Door, Greeting, HostNames, Inside, Outside, Subject, Verdict
from status.finding import Level, Weight
from tests.deploys.nodes.samples import node
from tests.deploys.nodes.test_services import TELEGRAM, Derived
from tests.status.samples import (
    ADDRESS,
    DAY,
    DKIM,
    DMARC,
    DOMAIN,
    FQDN,
    NOW,
    PORTS,
    judged,
    subject,
    with_domain,
    with_facts,
)
from tests.status.samples import facts as healthy

OK, WARNING, FAILED, UNKNOWN = Level.OK, Level.WARNING, Level.FAILED, Level.UNKNOWN
HUB: dict[str, Any] = {"role": Role.ORCHESTRATOR, "host": "hub", "selectors": {}, "recipients": ()}
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
        n8n = n8n_services(host, "2.0+r0", Credentials(b"0" * 32), "key")
        figures = metric_services(host, 80, Derived(), TELEGRAM)
        found = [
            *(make(host) for make in (base_services.ssh, base_services.firewall, base_services.clock)),
            *(make(host) for make in (base_services.upgrades, base_services.resolver)),
            *(getattr(part, field.name) for part in (mail, more, n8n, figures) for field in fields(part)),
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
    ("door", "strangers", "level"),
    [
        (Door.OPEN, {}, OK),
        (Door.REFUSED, {}, FAILED),
        (Door.SILENT, {}, FAILED),
        (Door.SILENT, {25: True}, OK),  # our own network blocks it, another node gets through
        (Door.SILENT, {25: False}, FAILED),
    ],
)
def test_port_25_is_open_from_here_or_from_another_node(
    door: Door, strangers: dict[int, bool], level: Level
) -> None:
    seen = subject(outside=Outside({25: door, 22: Door.OPEN}), strangers=strangers)
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


ANSWERS = [
    (Answer((ADDRESS,)), OK),
    (Answer(), FAILED),
    (Answer(("192.0.2.99",)), FAILED),
    (Answer((ADDRESS, "192.0.2.99")), FAILED),
    (Answer(problem="SERVFAIL"), UNKNOWN),
]


@pytest.mark.parametrize(("answer", "level"), ANSWERS)
def test_a_name_has_its_address_and_no_other(answer: Answer, level: Level) -> None:
    assert judged(names.address, subject(names=replace(subject().names, a=answer))) == [("", level)]


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (Answer((FQDN,)), OK),
        (Answer(), FAILED),
        (Answer(("vps7.provider.example",)), FAILED),
        (Answer((FQDN, "vps7.provider.example")), FAILED),
        (Answer(problem="SERVFAIL"), UNKNOWN),
    ],
)
def test_an_address_points_back_to_its_name(answer: Answer, level: Level) -> None:
    seen = subject(names=replace(subject().names, ptr=answer))
    assert judged(names.reverse, seen) == [("", level)]
    (finding,) = names.reverse(replace(seen, role=Role.ORCHESTRATOR))
    assert (finding.level, finding.broken) == (level, False)


@pytest.mark.parametrize(
    ("mail", "level"),
    [
        ({"helo": FQDN, "bind": ADDRESS}, OK),
        ({"helo": "localhost", "bind": ADDRESS}, FAILED),
        ({"helo": FQDN, "bind": "192.0.2.99"}, FAILED),
    ],
)
def test_helo_is_the_name_and_mail_leaves_from_the_address(mail: dict[str, str], level: Level) -> None:
    found = [finding for finding in names.helo(with_facts(mail=mail)) if finding.check == "helo"]
    assert [finding.level for finding in found] == [level]


@pytest.mark.parametrize(
    ("result", "level"),
    [
        ("pass", OK),
        ("fail", FAILED),
        ("softfail", FAILED),
        ("neutral", FAILED),
        ("none", FAILED),
        ("permerror", FAILED),
        ("temperror", UNKNOWN),
    ],
)
def test_spf_must_pass_for_this_address(result: str, level: Level) -> None:
    assert judged(senders.spf, with_domain(spf=Verdict(result, "why"))) == [(DOMAIN, level)]


@pytest.mark.parametrize(
    ("answer", "level", "says"),
    [
        (Answer((DKIM,)), OK, "on disk"),
        (Answer((DKIM.replace("p=MII", "p=MII BIj "),)), FAILED, "is not the key on disk"),
        (Answer((f"v=DKIM1; p={DKIM[-12:-6]} {DKIM[-6:]}",)), OK, "on disk"),  # folded
        (Answer((DKIM, DKIM.replace("MII", "MIX"))), FAILED, "has 2 keys"),
        (Answer(("v=DKIM1; k=rsa; p=",)), FAILED, "is revoked"),
        (Answer(("something else",)), FAILED, "has no key"),
        (Answer(), FAILED, "has no key"),
        (Answer(problem="SERVFAIL"), UNKNOWN, "SERVFAIL"),
    ],
)
def test_the_key_in_dns_is_the_one_on_disk(answer: Answer, level: Level, says: str) -> None:
    (finding,) = senders.dkim(with_domain(dkim=answer))
    assert (finding.level, says in finding.says) == (level, True)


def test_a_node_without_the_key_cannot_sign() -> None:
    assert judged(senders.dkim, with_facts(keys={})) == [(DOMAIN, FAILED)]


def test_a_key_is_looked_for_in_dns_though_its_node_cannot_be_asked() -> None:
    down = replace(subject(), inside=Inside(None, "no SSH"))
    assert judged(senders.dkim, down) == [(DOMAIN, OK)]
    assert judged(senders.dkim, replace(with_domain(dkim=Answer()), inside=Inside(None))) == [
        (DOMAIN, FAILED)
    ]


@pytest.mark.parametrize(
    ("values", "wanted", "level"),
    [
        ((DMARC,), "none", OK),
        ((DMARC.replace("none", "reject"),), "none", OK),
        ((DMARC,), "quarantine", WARNING),
        ((DMARC, DMARC), "none", FAILED),
        ((DMARC.replace("p=none", "p=strict"),), "none", FAILED),
        (("v=DMARC1",), "none", FAILED),
        (("v=spf1 -all",), "none", FAILED),
        ((), "none", FAILED),
    ],
)
def test_there_is_one_dmarc_record_not_weaker_than_the_file_asks(
    values: tuple[str, ...], wanted: str, level: Level
) -> None:
    seen = replace(with_domain(dmarc=Answer(values)), dmarc_policy=wanted)
    assert judged(senders.dmarc, seen) == [(DOMAIN, level)]


@pytest.mark.parametrize(
    ("over", "levels"),
    [
        ({}, [OK]),
        ({"consents": {"infra.example": Answer()}}, [FAILED]),
        ({"consents": {"infra.example": Answer(problem="SERVFAIL")}}, [UNKNOWN]),
        ({"dmarc": Answer(("v=DMARC1; p=none",)), "consents": {}}, [WARNING]),
        ({"dmarc": Answer(), "consents": {}}, []),
    ],
)
def test_reports_are_asked_for_and_their_taker_consents(over: dict[str, Any], levels: list[Level]) -> None:
    found = list(senders.consent(with_domain(**over)))
    assert [finding.level for finding in found] == levels
    assert not any(finding.broken for finding in found)


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (Answer((f"10 {FQDN}",)), OK),
        (Answer(("20 backup.example", f"5 {FQDN}")), OK),
        (Answer((f"100 {FQDN}", "20 other.example")), FAILED),
        (Answer(("10 other.example",)), FAILED),
        (Answer(), FAILED),
        (Answer(problem="SERVFAIL"), UNKNOWN),
    ],
)
def test_replies_come_to_the_node_that_sends(answer: Answer, level: Level) -> None:
    assert judged(senders.mx, with_domain(mx=answer)) == [(DOMAIN, level)]


@pytest.mark.parametrize(
    ("greeting", "levels"),
    [
        (Greeting(FQDN, True), [OK]),
        (Greeting("other.example", True), [FAILED]),
        (Greeting(FQDN, False), [FAILED]),
        (Greeting(FQDN, False, "421 too busy"), [FAILED]),
        (None, []),
    ],
)
def test_the_mail_server_greets_with_its_name_and_offers_tls(
    greeting: Greeting | None, levels: list[Level]
) -> None:
    seen = subject(outside=replace(subject().outside, greeting=greeting))
    assert [level for _, level in judged(smtp.dialogue, seen)] == levels


def test_a_refused_postmaster_is_named_with_the_reply() -> None:
    refused = {f"postmaster@{DOMAIN}": "550 5.1.1 unknown", f"abuse@{DOMAIN}": "550 5.1.1 unknown"}
    seen = subject(outside=replace(subject().outside, greeting=Greeting(FQDN, True, refused=refused)))
    (finding,) = smtp.mailboxes(seen)
    assert finding.level is FAILED
    assert finding.says == f"postmaster@{DOMAIN} is refused, and 1 more: 550 5.1.1 unknown"


@pytest.mark.parametrize(("days", "level"), [(90, OK), (20, WARNING), (6, FAILED), (-3, FAILED)])
def test_a_certificate_is_warned_of_three_weeks_before_its_end(days: float, level: Level) -> None:
    ends = NOW + days * DAY + 60
    certificate = {"not_after": ends, "fingerprint": "ab"}
    seen = with_facts(certificate=certificate)
    (left, shown) = smtp.certificates(seen)
    assert (left.check, left.level) == ("certificate", level)
    assert shown.level is OK


def test_a_port_that_shows_an_old_certificate_is_named() -> None:
    old = {993: Certificate(not_after=NOW + 40 * DAY, fingerprint="cd")}
    seen = subject(outside=replace(subject().outside, certificates=old))
    found = {finding.check: finding for finding in smtp.certificates(seen)}
    assert found["certificate shown"].level is WARNING
    assert "port 993" in found["certificate shown"].says


def disk(free: int, *, files_free: int = 90) -> list[dict[str, Any]]:
    return [
        {
            "mount": "/var",
            "used": 100 - free,
            "free": free,
            "files_used": 100 - files_free,
            "files_free": files_free,
        }
    ]


@pytest.mark.parametrize(
    ("disks", "level"),
    [
        (disk(30), OK),
        (disk(29), WARNING),
        (disk(15), WARNING),
        (disk(14), FAILED),
        (disk(60, files_free=14), FAILED),
        ([{"mount": "/var", "used": 1, "free": 9}], OK),
    ],
)
def test_a_disk_warns_at_30_and_fails_at_15_percent(disks: list[dict[str, Any]], level: Level) -> None:
    assert judged(machine.disk, with_facts(disks=disks)) == [("/var", level)]


@pytest.mark.parametrize(("available", "level"), [(20, OK), (19, WARNING), (10, WARNING), (9, FAILED)])
def test_memory_warns_at_20_and_fails_at_10_percent(available: int, level: Level) -> None:
    seen = with_facts(memory={"total": 100, "available": available})
    assert judged(machine.memory, seen) == [("", level)]


@pytest.mark.parametrize(
    ("mails", "hours", "level"),
    [(0, 0, OK), (1000, 11, OK), (1001, 1, WARNING), (3, 13, WARNING), (5001, 1, FAILED), (1, 51, FAILED)],
)
def test_a_long_or_old_queue_is_told(mails: int, hours: float, level: Level) -> None:
    seen = with_facts(queue={"mails": mails, "oldest": hours * 3600})
    assert judged(machine.queue, seen) == [("", level)]


@pytest.mark.parametrize(
    ("updates", "level"),
    [
        ({"security": [], "lists_age": 3600, "reboot": False}, OK),
        ({"security": [], "lists_age": None, "reboot": False}, OK),
        ({"security": ["openssl"], "lists_age": 3600, "reboot": False}, WARNING),
        ({"security": [], "lists_age": 4 * DAY, "reboot": False}, WARNING),
        ({"security": [], "lists_age": 3600, "reboot": True}, WARNING),
    ],
)
def test_pending_security_updates_old_lists_and_reboots_are_warned_of(
    updates: dict[str, Any], level: Level
) -> None:
    assert judged(machine.updates, with_facts(updates=updates)) == [("", level)]


@pytest.mark.parametrize(
    ("over", "level"),
    [
        ({}, OK),
        ({"clock": {"leap": "Normal", "offset": -0.7}}, WARNING),
        ({"clock": {"leap": "Normal", "offset": 31}}, FAILED),
        ({"clock": {"leap": "Not synchronised", "offset": 0}}, WARNING),
        ({"clock": None}, OK),
        ({"clock": None, "started": NOW - 40}, FAILED),
        ({"clock": None, "ended": NOW + 6}, WARNING),
        ({"clock": None, "started": NOW - 0.6, "ended": NOW + 1.6}, OK),  # within the time the answer took
    ],
)
def test_a_clock_is_judged_by_chrony_and_by_ours(over: dict[str, Any], level: Level) -> None:
    assert judged(machine.clock, with_facts(**over)) == [("", level)]


RELEASE = {"version": "0.1.0+ab", "current": "0.1.0+ab"}


@pytest.mark.parametrize(
    ("release", "levels"),
    [
        (None, []),
        (RELEASE, [OK]),
        ({**RELEASE, "health": 200, "health_version": "0.1.0+ab"}, [OK, OK]),
        ({**RELEASE, "health": 200, "health_version": "0.0.9+cd"}, [OK, FAILED]),
        ({**RELEASE, "current": "0.0.9+cd"}, [FAILED]),
        ({"version": "0.1.0+ab"}, [FAILED]),
        ({**RELEASE, "health": 503}, [OK, FAILED]),
        ({**RELEASE, "health": 0}, [OK, FAILED]),
        ({**RELEASE, "health_problem": "Connection refused"}, [OK, FAILED]),
    ],
)
def test_the_release_that_was_pushed_runs_and_its_api_answers(
    release: dict[str, Any] | None, levels: list[Level]
) -> None:
    assert [level for _, level in judged(tools.release, with_facts(release=release))] == levels


@pytest.mark.parametrize(
    ("hours", "level"),
    [(0, Level.OK), (25, Level.OK), (27, Level.WARNING), (49, Level.WARNING), (51, Level.FAILED)],
)
def test_a_night_without_a_backup_is_warned_of_and_two_fail(hours: float, level: Level) -> None:
    found = {"archives": 3, "since": NOW - 90 * DAY, "newest": NOW - hours * 3600, "pulled": NOW}
    hub = replace(with_facts(backups=found), role=Role.ORCHESTRATOR, backups=True)
    assert judged(backups.backups, hub) == [("", level), ("", Level.OK)]
    none_yet = {"archives": 0, "since": NOW - hours * 3600}
    assert judged(backups.backups, replace(with_facts(backups=none_yet), backups=True))[0] == ("", level)


def test_a_fleet_without_backups_is_told_so_and_lacks_nothing_required() -> None:
    (finding,) = backups.backups(subject(backups=False))
    assert (finding.level, finding.weight) == (Level.WARNING, Weight.RECOMMENDED)
    assert finding.says == "none: the fleet file has no `backups`"
    assert not list(backups.backups(subject(backups=None)))


def test_backups_that_are_wanted_and_not_set_up_fail() -> None:
    assert judged(backups.backups, subject(backups=True)) == [("", Level.FAILED)]


@pytest.mark.parametrize(
    ("pulled", "says"),
    [(NOW - 8 * DAY, "not for 8 days"), (None, "never, in 90 days"), (NOW - DAY, "24 h ago")],
)
def test_archives_that_nobody_has_elsewhere_are_warned_of(pulled: float | None, says: str) -> None:
    found = {"archives": 3, "since": NOW - 90 * DAY, "newest": NOW, "pulled": pulled}
    *_, finding = backups.backups(replace(with_facts(backups=found), backups=True))
    assert finding.says == says


def test_hosts_with_another_version_are_named() -> None:
    def with_version(host: str, version: str) -> Subject:
        return replace(with_facts(release={"version": version}), host=host)

    three = [with_version("n1", "1"), with_version("n2", "1"), with_version("n3", "2")]
    assert [finding.level for finding in fleet.releases(three[:2])] == [OK]
    (finding,) = fleet.releases(three)
    assert (finding.level, finding.says) == (WARNING, "2 hosts run 1, but n3 2")
    assert list(fleet.releases([subject()])) == []


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (Answer((f"10 {FQDN}",)), OK),
        (Answer(("10 other.example",)), FAILED),
        (Answer(), FAILED),
        (Answer(problem="SERVFAIL"), UNKNOWN),
    ],
)
def test_reports_come_to_the_first_node(answer: Answer, level: Level) -> None:
    assert [finding.level for finding in fleet.reports("infra.example", FQDN, answer)] == [level]


SECTIONS = {
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
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_a_host_could_not_read_is_unknown_with_its_reason(section: str) -> None:
    absent: Any = [] if section == "failed" else None
    seen = with_facts(**{section: absent, "errors": {section: "it took longer than 15 s"}})
    found = [f for f in SECTIONS[section](seen) if f.level is not OK]
    assert [(f.level, f.says) for f in found] == [(UNKNOWN, "could not be read: it took longer than 15 s")]


def test_where_port_25_is_blocked_on_the_way_the_dialogue_is_the_one_the_node_had_with_itself() -> None:
    met = {"name": FQDN, "starttls": True, "refused": {f"abuse@{DOMAIN}": "550 no"}}
    blocked = Outside({25: Door.SILENT, 22: Door.OPEN})
    seen = replace(with_facts(greeting=met), outside=blocked)
    assert judged(smtp.dialogue, seen) == [("", OK)]
    assert judged(smtp.mailboxes, seen) == [("", FAILED)]
    stopped = replace(seen, outside=Outside({25: Door.REFUSED}))
    assert judged(smtp.dialogue, stopped) == judged(smtp.mailboxes, stopped) == []  # said by `port`
