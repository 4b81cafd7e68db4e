"""What changes in a zone: only what differs, only what is ours, nothing at all beside a conflict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deploys.dns.difference import hosted_difference, zone_difference
from deploys.plan import Action, Change, Consent, Kind
from deploys.symbolic import Unknown, text
from deploys.world import Held, Hosted, Record, Wanted

ZONE = "a.example"


def record(name: str, kind: str, value: str, ttl: int = 3600, zone: str = ZONE) -> Record:
    return Record(zone, zone if name == "@" else f"{name}.{zone}", kind, value, ttl, ("n1",))


def ours(value: Record, key: str = "1") -> Held[Record]:
    return Held(value, key, owned=True)


def foreign(value: Record, key: str = "f") -> Held[Record]:
    return Held(value, key, owned=False)


SPF = record("@", "TXT", "v=spf1 include:_pool-a.infra.example -all")
MX = record("@", "MX", "10 n1.infra.example")
DMARC = record("_dmarc", "TXT", "v=DMARC1; p=none")
KEY = record("s1._domainkey", "TXT", "v=DKIM1; k=rsa; p=AAAA")
CAA = record("@", "CAA", '0 issue "letsencrypt.org"')
WANTED = (SPF, MX, DMARC, KEY, CAA)


def shown(changes: list[Change]) -> list[str]:
    return [f"{change.action} {change.object}" for change in changes]


def test_an_empty_zone_gets_everything() -> None:
    changes, conflicts = zone_difference(ZONE, (), WANTED)
    assert not conflicts
    assert [change.action for change in changes] == [Action.CREATE] * len(WANTED)


def test_a_zone_as_wanted_gets_nothing() -> None:
    held = [ours(value, str(at)) for at, value in enumerate(WANTED)]
    assert zone_difference(ZONE, held, WANTED) == ([], [])


@pytest.mark.parametrize(
    "neighbour",
    [
        record("@", "A", "203.0.113.1"),
        record("@", "CNAME", "site.pages.example"),
        record("www", "CNAME", "a.example"),
        record("@", "TXT", "google-site-verification=abc"),
        record("@", "TXT", "v=spf2.0/pra -all"),
        record("@", "CAA", '0 issue "digicert.com"'),
        record("s2._domainkey", "TXT", "v=DKIM1; p=BBBB"),
        record("@", "NS", "ada.ns.example"),
    ],
)
def test_what_others_keep_beside_ours_is_left_alone(neighbour: Record) -> None:
    held = [*(ours(value, str(at)) for at, value in enumerate(WANTED)), foreign(neighbour)]
    assert zone_difference(ZONE, held, WANTED) == ([], [])


@pytest.mark.parametrize(
    ("obstacle", "named"),
    [
        (record("@", "TXT", "v=spf1 include:_spf.google.com ~all"), "--adopt a.example/@/TXT"),
        (record("@", "TXT", "V=SPF1 -all"), "--adopt a.example/@/TXT"),
        (record("@", "MX", "1 smtp.google.com"), "--adopt a.example/@/MX"),
        (record("_dmarc", "TXT", "v=DMARC1; p=reject"), "--adopt a.example/_dmarc/TXT"),
        (record("_dmarc", "CNAME", "dmarc.vendor.example"), "--adopt a.example/_dmarc/CNAME"),
        (record("s1._domainkey", "TXT", "v=DKIM1; p=CCCC"), "--adopt a.example/s1._domainkey/TXT"),
    ],
)
def test_what_others_made_in_our_place_stops_the_whole_zone(obstacle: Record, named: str) -> None:
    wanted = Wanted((), (), (), (ZONE,), WANTED)
    changes, conflicts = hosted_difference(Hosted({ZONE: (foreign(obstacle),)}), wanted, "account")
    assert changes == []
    assert len(conflicts) == 1
    assert conflicts[0].group == ZONE
    assert conflicts[0].message.startswith(f"{ZONE}: ")
    assert named in conflicts[0].message
    assert "\n" not in conflicts[0].message


def test_a_second_spf_beside_ours_is_a_conflict() -> None:
    second = foreign(record("@", "TXT", "v=spf1 a ~all"))
    _, conflicts = zone_difference(ZONE, [ours(SPF), second], (SPF,))
    assert len(conflicts) == 1


def test_the_same_record_made_by_hand_serves_and_stays_theirs() -> None:
    assert zone_difference(ZONE, [foreign(MX)], (MX,)) == ([], [])


def test_an_adopted_record_is_changed_in_place_and_named_so() -> None:
    theirs = record("@", "MX", "1 smtp.google.com")
    changes, conflicts = zone_difference(ZONE, [foreign(theirs)], (MX,), ["a.example/@/MX"])
    assert not conflicts
    assert shown(changes) == ["update a.example @ MX 1 smtp.google.com"]
    assert changes[0].before is not None
    assert changes[0].before["adopted"] == "made by others"
    assert changes[0].consent is Consent.REROUTE


def test_adopting_one_record_adopts_no_other() -> None:
    held = [foreign(record("@", "MX", "1 smtp.google.com")), foreign(record("@", "TXT", "v=spf1 ~all"))]
    _, conflicts = zone_difference(ZONE, held, WANTED, ["a.example/@/MX"])
    assert len(conflicts) == 1


@pytest.mark.parametrize("changed", [replace(MX, value="10 n2.infra.example"), replace(MX, ttl=300)])
def test_a_record_of_ours_that_differs_is_updated(changed: Record) -> None:
    changes, _ = zone_difference(ZONE, [ours(changed)], (MX,))
    assert [change.action for change in changes] == [Action.UPDATE]
    assert changes[0].after == {"name": ZONE, "type": "MX", "value": "10 n1.infra.example", "ttl": 3600}


def test_records_of_ours_that_nobody_wants_go_one_by_one() -> None:
    held = [
        ours(MX),
        ours(record("old", "A", "203.0.113.9"), "2"),
        ours(replace(MX, value="20 x.example"), "3"),
    ]
    changes, _ = zone_difference(ZONE, held, (MX,))
    assert shown(changes) == ["delete a.example @ MX 20 x.example", "delete a.example old A 203.0.113.9"]
    assert {change.consent for change in changes} == {Consent.DELETE_RECORD}


def test_a_missing_zone_is_made_and_needs_no_consent() -> None:
    changes, _ = hosted_difference(Hosted(), Wanted((), (), (), (ZONE,), WANTED), "account")
    assert changes[0].kind is Kind.ZONE
    assert [change.consent for change in changes] == [None] * (len(WANTED) + 1)


@pytest.mark.parametrize("value", [MX, SPF, CAA])
def test_speaking_for_a_living_domain_needs_consent(value: Record) -> None:
    changes, _ = zone_difference(ZONE, [], (value,))
    assert [change.consent for change in changes] == [Consent.REROUTE]


def test_a_zone_in_another_account_is_a_conflict_that_names_both() -> None:
    hosted = Hosted({}, {ZONE: "theirs"})
    changes, conflicts = hosted_difference(hosted, Wanted((), (), (), (ZONE,), WANTED), "ours")
    assert not changes
    assert "account theirs" in conflicts[0].message
    assert "ours" in conflicts[0].message


def test_a_domain_that_left_the_fleet_is_cleared_before_its_mark_goes() -> None:
    mark = record("gone.example._report._dmarc", "TXT", "v=DMARC1;", zone="infra.example")
    left = record("@", "MX", "10 n1.infra.example", zone="gone.example")
    kept = foreign(record("@", "A", "203.0.113.1", zone="gone.example"))
    hosted = Hosted({"infra.example": (ours(mark, "1"),), "gone.example": (ours(left, "2"), kept)})
    changes, conflicts = hosted_difference(hosted, Wanted((), (), (), ("infra.example",), ()), "account")
    assert not conflicts
    assert shown(changes) == [
        "delete gone.example @ MX 10 n1.infra.example",
        "delete infra.example gone.example._report._dmarc TXT v=DMARC1;",
    ]


def test_a_record_with_a_hole_replaces_the_old_one_when_it_is_known() -> None:
    hole = replace(record("n1", "A", ""), value=text(Unknown("ipv4 of n1")))
    changes, _ = zone_difference(ZONE, [ours(record("n1", "A", "203.0.113.1"))], (hole,))
    assert [change.action for change in changes] == [Action.UPDATE]
    assert [unknown.what for unknown in changes[0].unknowns] == ["ipv4 of n1"]
