"""Checks of what receivers see: names, senders, the dialogue, certificates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inventory import Role
from status.checks import (
    certificates,
    names,
    senders,
    smtp,
)
from status.facts import Answer, Door, Greeting, Inside, Outside, Verdict
from status.finding import Level
from status.sections import Certificate
from tests.status.samples import (
    ADDRESS,
    DAY,
    DKIM,
    DMARC,
    DOMAIN,
    FAILED,
    FQDN,
    NOW,
    OK,
    UNKNOWN,
    WARNING,
    judged,
    subject,
    with_domain,
    with_facts,
)

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
    (left, shown) = certificates.of_mail(seen)
    assert (left.check, left.level) == ("certificate", level)
    assert shown.level is OK


def test_a_port_that_shows_an_old_certificate_is_named() -> None:
    old = {993: Certificate(not_after=NOW + 40 * DAY, fingerprint="cd")}
    seen = subject(outside=replace(subject().outside, certificates=old))
    found = {finding.check: finding for finding in certificates.of_mail(seen)}
    assert found["certificate shown"].level is WARNING
    assert "port 993" in found["certificate shown"].says


def test_where_port_25_is_blocked_on_the_way_the_dialogue_is_the_one_the_node_had_with_itself() -> None:
    met = {"name": FQDN, "starttls": True, "refused": {f"abuse@{DOMAIN}": "550 no"}}
    blocked = Outside({25: Door.SILENT, 22: Door.OPEN})
    seen = replace(with_facts(greeting=met), outside=blocked)
    assert judged(smtp.dialogue, seen) == [("", OK)]
    assert judged(smtp.mailboxes, seen) == [("", FAILED)]
    stopped = replace(seen, outside=Outside({25: Door.REFUSED}))
    assert judged(smtp.dialogue, stopped) == judged(smtp.mailboxes, stopped) == []  # said by `port`
