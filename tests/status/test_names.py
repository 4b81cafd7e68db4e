"""DNS: each question once, failures apart from absence, and SPF evaluated as receivers do."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from status.facts import Answer
from status.names import exchangers, look_up
from status.questions import Questions
from status.records import report_domains, tags
from tests.status.samples import ADDRESS, DMARC, FQDN, FakeResolver, questions

Table = Mapping[tuple[str, str], Sequence[str] | None]

ZONE: dict[tuple[str, str], Sequence[str] | None] = {
    (FQDN, "A"): [ADDRESS],
    (FQDN, "TXT"): ['"v=spf1 a -all"'],
    ("11.2.0.192.in-addr.arpa", "PTR"): [f"{FQDN}."],
    ("a.example", "MX"): [f"10 {FQDN}."],
    ("a.example", "TXT"): ['"google-site-verification=x"', '"v=spf1 include:_pool-a.infra.example -all"'],
    ("_pool-a.infra.example", "TXT"): [f'"v=spf1 ip4:{ADDRESS} " "ip4:192.0.2.12 -all"'],
    ("s1._domainkey.a.example", "TXT"): ['"v=DKIM1; k=rsa; " "p=MIIB"'],
    ("_dmarc.a.example", "TXT"): [f'"{DMARC}"'],
    ("a.example._report._dmarc.infra.example", "TXT"): ['"v=DMARC1;"'],
}


def look(table: Table, address: str | None = ADDRESS) -> Any:
    return look_up(questions(table), FQDN, address, {"a.example": "s1"}, (), sends_mail=True)


def test_everything_about_a_node_and_its_domain_is_asked() -> None:
    found = look(ZONE)
    assert (found.a, found.ptr) == (Answer((ADDRESS,)), Answer((FQDN,)))
    assert found.helo_spf.result == "pass"
    domain = found.domains["a.example"]
    assert domain.mx == Answer((f"10 {FQDN}",))
    assert domain.spf.result == "pass"
    assert domain.dkim == Answer(("v=DKIM1; k=rsa; p=MIIB",))
    assert domain.consents == {"infra.example": Answer(("v=DMARC1;",))}


VOID: Table = {(f"v{number}.example", "TXT"): [] for number in range(4)}


@pytest.mark.parametrize(
    ("record", "more", "result"),
    [
        ("v=spf1 ip4:192.0.2.11 -all", {}, "pass"),
        ("v=spf1 ip4:192.0.2.12 -all", {}, "fail"),
        ("v=spf1 ip4:192.0.2.12 ~all", {}, "softfail"),
        ("v=spf1 ?all", {}, "neutral"),
        ("v=spf1 ip4:192.0.2.1111 -all", {}, "permerror"),
        ("v=spf1 a:n1.infra.example -all", {}, "pass"),
        ("v=spf1 mx -all", {}, "pass"),
        ("v=spf1 include:nowhere.example -all", {}, "permerror"),
        ("v=spf1 include:slow.example -all", {("slow.example", "TXT"): None}, "temperror"),
        ("v=spf1 a:v0.example a:v1.example a:v2.example a:v3.example ip4:192.0.2.11 -all", VOID, "permerror"),
        (
            "v=spf1 " + " ".join(f"a:h{n}.infra.example" for n in range(11)) + " -all",
            {(f"h{n}.infra.example", "A"): ["192.0.2.99"] for n in range(11)},
            "permerror",
        ),
        ("v=spf1 redirect=_pool-a.infra.example", {}, "pass"),
        ("verification", {}, "none"),
    ],
)
def test_spf_is_evaluated_for_the_address_with_its_limits(record: str, more: Table, result: str) -> None:
    table = {**ZONE, ("a.example", "TXT"): [f'"{record}"'], **more}
    assert look(table).domains["a.example"].spf.result == result


def test_two_spf_records_are_a_permanent_error() -> None:
    table = {**ZONE, ("a.example", "TXT"): ['"v=spf1 -all"', '"v=spf1 ~all"']}
    assert look(table).domains["a.example"].spf.result == "permerror"


def test_absence_is_an_answer_and_failure_is_not() -> None:
    asked = questions({("empty.example", "TXT"): [], ("slow.example", "TXT"): None})
    assert asked.ask("missing.example", "TXT") == asked.ask("empty.example", "TXT") == Answer()
    assert asked.ask("slow.example", "TXT").problem == "the resolver did not answer in time"


def test_without_an_address_only_names_are_asked() -> None:
    found = look(ZONE, None)
    assert found.ptr == Answer()
    assert found.domains["a.example"].spf.result == "fail"


def test_a_question_is_asked_once_however_many_need_the_answer_at_the_same_time() -> None:
    class Slow(FakeResolver):
        def resolve(self, name: str, kind: str, **_: object) -> Any:
            time.sleep(0.05)
            return super().resolve(name, kind)

    resolver = Slow(ZONE)
    asked = Questions(resolver)  # type: ignore[arg-type] # the part of a resolver that is used
    together = threading.Barrier(16)

    def ask(_: int) -> Answer:
        together.wait()
        return asked.ask(FQDN.upper() + ".", "A")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {Answer((ADDRESS,))}
    assert resolver.asked == [(FQDN, "A")]


def test_a_resolver_that_does_not_answer_for_the_root_is_of_no_use() -> None:
    assert questions({}).problem == ""
    assert questions({("", "NS"): None}).problem == "the resolver did not answer in time"


def test_mail_servers_are_dialled_in_the_order_of_preference() -> None:
    table = {
        ("b.example", "MX"): ["20 two.example.", "5 one.example."],
        ("one.example", "A"): ["192.0.2.1"],
        ("two.example", "A"): ["192.0.2.2"],
        ("c.example", "MX"): ["0 ."],
    }
    assert exchangers(questions(table), "b.example") == ("192.0.2.1", "192.0.2.2")
    assert exchangers(questions(table), "c.example") == ()
    assert exchangers(questions(table), "nowhere.example") == ()


@pytest.mark.parametrize(
    ("rua", "domains"),
    [
        ("", []),
        ("rua=mailto:d@infra.example", ["infra.example"]),
        ("rua=mailto:d@infra.example!10m, mailto:x@Other.example", ["infra.example", "other.example"]),
        ("rua=mailto:d@a.example,mailto:d@reports.a.example", []),
        ("rua=https://other.example/x", []),
    ],
)
def test_only_foreign_takers_of_reports_must_consent(rua: str, domains: list[str]) -> None:
    assert report_domains("a.example", Answer((f"v=DMARC1; p=none; {rua}",))) == domains


def test_tags_are_read_as_receivers_read_them() -> None:
    assert tags("v=DKIM1 ;K = rsa;p=a=b; ;junk") == {"v": "DKIM1", "k": "rsa", "p": "a=b"}
