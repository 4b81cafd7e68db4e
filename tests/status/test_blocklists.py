"""Block lists: an error is no listing, one that lists all or nothing is not believed, two votes list."""

from __future__ import annotations

from dataclasses import replace

import pytest

from status.blocklists import BlockList, Listing, lists, read, trusted
from status.checks import blocklists
from status.facts import Answer
from status.finding import Level
from tests.status.samples import ADDRESS, DOMAIN, subject, with_domain

LISTED, CLEAN = Answer(("127.0.0.2",)), Answer()
ONE, TWO = BlockList("one.example", "one.example"), BlockList("two.example", "two.example")
BIG = BlockList("big.example", "KEY.big.example", votes=2)
NAMES = BlockList("names.example", "names.example", votes=2, domains=True)


def test_an_address_is_asked_for_backwards_and_a_domain_as_it_is() -> None:
    assert ONE.question("192.0.2.11") == "11.2.0.192.one.example"
    assert NAMES.question("a.example") == "a.example.names.example"


def test_spamhaus_is_asked_with_a_key_or_not_at_all_and_the_key_is_not_shown() -> None:
    assert [known.name for known in lists(["one.example"], "")] == ["one.example"]
    with_key = lists([], "SECRETKEY")
    assert [known.name for known in with_key] == ["zen.spamhaus.org", "dbl.spamhaus.org"]
    assert with_key[0].question("192.0.2.11") == "11.2.0.192.SECRETKEY.zen.dq.spamhaus.net"
    assert "SECRETKEY" not in repr(with_key)


def test_a_zone_may_have_votes() -> None:
    assert lists(["one.example=2"], "")[0].votes == 2
    with pytest.raises(ValueError, match="give ZONE or ZONE=VOTES"):
        lists(["one.example=many"], "")


@pytest.mark.parametrize(
    ("answer", "codes", "problem"),
    [
        (Answer(), (), ""),
        (Answer(("127.0.0.2", "127.0.0.9")), ("127.0.0.2", "127.0.0.9"), ""),
        (Answer(("127.255.255.252",)), (), "the zone's name is wrong"),
        (Answer(("127.255.255.254",)), (), "public or shared resolver"),
        (Answer(("127.255.255.255",)), (), "so many questions"),
        (Answer(("127.255.255.77",)), (), "answers with an error"),
        (Answer(("127.0.0.2", "127.255.255.254")), (), "public or shared resolver"),
        (Answer(("203.0.113.80",)), (), "which no list would"),
        (Answer(("127.0.0.1",)), (), "which no list would"),
        (Answer(problem="SERVFAIL"), (), "SERVFAIL"),
    ],
)
def test_an_error_code_or_a_foreign_address_is_no_listing(
    answer: Answer, codes: tuple[str, ...], problem: str
) -> None:
    found = read(ONE, answer)
    assert found.codes == codes
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


def test_codes_of_spamhaus_are_named() -> None:
    zen = lists([], "KEY")[0]
    assert read(zen, Answer(("127.0.0.10", "127.0.0.3"))) == Listing(("PBL 127.0.0.10", "CSS 127.0.0.3"))


@pytest.mark.parametrize(
    ("listed", "clean", "problem"),
    [
        (LISTED, CLEAN, ""),
        (CLEAN, CLEAN, "does not list 127.0.0.2"),  # died, or does not answer us
        (LISTED, LISTED, "lists 127.0.0.1"),  # lists the world
        (Answer(("127.255.255.254",)), CLEAN, "public or shared resolver"),
        (Answer(("203.0.113.80",)), Answer(("203.0.113.80",)), "which no list would"),
    ],
)
def test_a_list_is_believed_that_lists_what_it_must_and_nothing_that_it_must_not(
    listed: Answer, clean: Answer, problem: str
) -> None:
    said = trusted(ONE, listed, clean)
    assert problem in said
    assert bool(said) is bool(problem)


def test_a_list_that_is_not_believed_is_unknown_and_not_counted() -> None:
    believed, findings = blocklists.trust(
        [ONE, TWO], {"one.example": (LISTED, CLEAN), "two.example": (LISTED, LISTED)}
    )
    assert believed == (ONE,)
    assert [(f.about, f.level, f.broken) for f in findings] == [
        ("one.example", Level.OK, False),
        ("two.example", Level.UNKNOWN, False),
    ]


FULL, NONE = LISTED, CLEAN
ERROR = Answer(("127.255.255.254",))


@pytest.mark.parametrize(
    ("one", "two", "big", "level", "broken"),
    [
        (NONE, NONE, NONE, Level.OK, False),
        (FULL, NONE, NONE, Level.WARNING, False),
        (FULL, FULL, NONE, Level.FAILED, True),
        (NONE, NONE, FULL, Level.FAILED, True),
        (FULL, ERROR, ERROR, Level.WARNING, False),
        (NONE, ERROR, ERROR, Level.OK, False),
        (ERROR, ERROR, ERROR, Level.UNKNOWN, False),
    ],
)
def test_two_votes_make_a_listing(one: Answer, two: Answer, big: Answer, level: Level, broken: bool) -> None:
    answers = {ONE.zone: one, TWO.zone: two, BIG.zone: big}
    seen = subject(names=replace(subject().names, listings=answers))
    (finding,) = blocklists.listings(seen, [ONE, TWO, BIG])
    assert (finding.about, finding.level, finding.broken) == (ADDRESS, level, broken)
    assert "KEY" not in finding.says


def test_a_listed_domain_is_found_too() -> None:
    seen = with_domain(listings={NAMES.zone: FULL})
    (finding,) = blocklists.listings(seen, [ONE, NAMES])
    assert (finding.about, finding.level) == (DOMAIN, Level.FAILED)
