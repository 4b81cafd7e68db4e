"""Syntax, the dialogue and DNS messages, held against properties and against dnspython."""

from __future__ import annotations

import asyncio
import random
import re

import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.validator.servers import World
from validator import Status, wire
from validator.resolver import DnsError, Resolver
from validator.route import Host, Route, find_addresses, find_route, is_public
from validator.smtp import Dialogue, ProtocolError
from validator.syntax import (
    PLAIN,
    SyntaxProblem,
    _parse_rare,
    is_disposable,
    parse_address,
    shipped_lists,
    suggest_domain,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=80)


def ready() -> Dialogue:
    dialogue = Dialogue()
    dialogue.feed(b"220 x\r\n")
    dialogue.ehlo("probe.test")
    dialogue.feed(b"250-x\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n")
    dialogue.mail("probe@probe.test")
    dialogue.feed(b"250 ok\r\n")
    return dialogue


@given(st.one_of(TEXT, TEXT.map(lambda t: f"joe{t}@example.com"), TEXT.map(lambda t: f"joe@example.com{t}")))
@example("joe@example.com\r\nRCPT TO:<x@y.z>")
@example('"joe\r\nDATA"@example.com')
@example("joe>\r\nDATA\r\n@example.com")
def test_no_address_whatsoever_puts_a_second_line_on_the_wire(text: str) -> None:
    try:
        command = ready().rcpt(parse_address(text).text)
    except (SyntaxProblem, ProtocolError):
        return
    assert re.fullmatch(rb"RCPT TO:<[^<>\x00-\x1f\x7f]+>\r\n", command)


WORD = st.text("abcXYZ019-_+", min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.lists(WORD, min_size=1, max_size=4), st.lists(WORD, min_size=1, max_size=5))
@example(["a" * 64], ["b" * 63, "c" * 63, "d" * 63, "com"])
@example(["a" * 65], ["b", "com"])
@example(["joe"], ["xn--bcher-kva", "com"])
@example(["joe"], ["b", "c0m"])
def test_what_the_quick_form_accepts_the_library_accepts_alike(local: list[str], domain: list[str]) -> None:
    text = f"{'.'.join(local)}@{'.'.join(domain)}"
    assume(PLAIN.fullmatch(text) is not None)
    assert parse_address(text) == _parse_rare(text)


@pytest.mark.parametrize(
    "text", ["", "joe", "@x.y", "joe@", "a b@x.y", "joe@x..y", "joe@-x.y", "x" * 65536 + "@x.y", "j\x00@x.y"]
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(SyntaxProblem) as problem:
        parse_address(text)
    assert str(problem.value).endswith(".")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("hotmal.com", "hotmail.com"),
        ("yahooo.com", "yahoo.com"),
    ],
)
def test_a_slip_of_the_finger_is_recognised(typed: str, meant: str) -> None:
    assert suggest_domain(typed) == meant


def test_throw_away_domains_are_known_and_free_providers_are_none_of_them() -> None:
    lists = shipped_lists()
    for domain in ("mailinator.com", "0-mail.com", "spamgourmet.com", "anything.mailinator.com"):
        assert is_disposable(domain, lists), domain
    for domain in ("gmail.com", "example.com", "com", "proton.me"):
        assert not is_disposable(domain, lists), domain
    assert len(lists.disposable) > 5_000
    assert not lists.disposable & lists.free


@pytest.mark.parametrize("domain", ["gmail.com", "gmx.com", "mail.com", "example.com", "email.com"])
def test_a_name_of_its_own_is_no_slip(domain: str) -> None:
    assert suggest_domain(domain) == ""


@given(st.binary(max_size=5000), st.lists(st.integers(1, 400), max_size=20))
def test_the_dialogue_reads_the_same_however_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    def read(parts: list[bytes]) -> tuple[list[object], bool]:
        dialogue, answers = Dialogue(), list[object]()
        try:
            for part in parts:
                answers.extend(dialogue.feed(part))
        except ProtocolError:
            return [], True
        return answers, False

    parts, at = [], 0
    for cut in cuts:
        parts.append(data[at : at + cut])
        at += cut
    assert read([data]) == read([*parts, data[at:]])


@pytest.mark.parametrize(
    "what", ["rcpt before mail", "mail before ehlo", "ehlo before banner", "starttls amid others"]
)
def test_nothing_is_said_before_its_time(what: str) -> None:
    dialogue = Dialogue()
    if what == "ehlo before banner":
        with pytest.raises(ProtocolError):
            dialogue.ehlo("x.test")
        return
    dialogue.feed(b"220 x\r\n")
    if what == "mail before ehlo":
        with pytest.raises(ProtocolError):
            dialogue.mail("a@b.c")
        return
    dialogue.ehlo("x.test")
    dialogue.feed(b"250 x\r\n")
    if what == "rcpt before mail":
        with pytest.raises(ProtocolError):
            dialogue.rcpt("a@b.c")
        return
    dialogue.mail("a@b.c")
    with pytest.raises(ProtocolError):
        dialogue.starttls()


@pytest.mark.parametrize("size", [100_000, 10 << 20])
def test_a_line_without_end_is_given_up_at_once(size: int) -> None:
    with pytest.raises(ProtocolError):
        Dialogue().feed(b"220 " + b"x" * size)


@given(st.integers(0, 65535), st.integers(0, 0xFFFF), st.sampled_from([0, 2, 3, 5]))
def test_answers_of_dnspython_are_read_as_dnspython_wrote_them(
    number: int, preference: int, rcode: int
) -> None:
    question = dns.message.from_wire(wire.query(number, "example.com", wire.MX))
    reply = dns.message.make_response(question)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.answer.append(dns.rrset.from_text("example.com.", 300, "IN", "CNAME", "alias.example.com."))
    reply.answer.append(
        dns.rrset.from_text("alias.example.com.", 60, "IN", "MX", f"{preference} mx.example.com.")
    )
    found = wire.parse(reply.to_wire(), "example.com", wire.MX)
    assert (found.rcode, found.values, found.ttl) == (rcode, [(preference, "mx.example.com")], 60)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_wire_error(data: bytes) -> None:
    try:
        wire.parse(data, "example.com", wire.MX)
    except wire.WireError:
        return


def test_a_compression_pointer_that_loops_is_an_error() -> None:
    question = wire.query(1, "example.com", wire.MX)
    header = b"\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
    body = question[12:-11]
    record = b"\xc0\x1d\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x04\x00\x0a\xc0\x1d"
    with pytest.raises(wire.WireError):
        wire.parse(header + body + record, "example.com", wire.MX)


def test_an_answer_to_a_question_nobody_asked_is_a_lie() -> None:
    asked = dns.message.from_wire(wire.query(7, "evil.test", wire.MX))
    lie = dns.message.make_response(asked)
    lie.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "MX", "10 mx.evil.test."))
    with pytest.raises(wire.WireError, match="another question"):
        wire.parse(lie.to_wire(), "example.com", wire.MX)


def routed(world: World, name: str) -> Route:
    async def ask() -> Route:
        resolver = Resolver(*world.resolver)
        try:
            return await find_route(resolver, name)
        finally:
            resolver.close()

    return asyncio.run(ask())


def test_dns_truths_and_failures_are_told_apart(world: World) -> None:
    records = world.zone.records
    records["null.test", "MX"] = ["0 ."]
    records["mixed.test", "MX"] = ["0 .", "10 mx.mixed.test."]
    records["broken.test", "MX"] = "SERVFAIL"
    records["plain.test", "A"] = ["192.0.2.1"]
    records["alias.test", "CNAME"] = ["mixed.test."]
    records["loop.test", "CNAME"] = ["loop.test."]
    assert routed(world, "gone.test").reason == "no_domain"
    assert routed(world, "null.test").reason == "null_mx"
    assert [host.name for host in routed(world, "mixed.test").hosts] == ["mx.mixed.test"]
    assert routed(world, "broken.test").status is Status.UNKNOWN
    assert routed(world, "plain.test").implicit
    assert [host.name for host in routed(world, "alias.test").hosts] == ["mx.mixed.test"]
    assert routed(world, "loop.test").status is Status.UNKNOWN


def test_an_answer_too_long_for_a_packet_is_fetched_over_tcp(world: World) -> None:
    hosts = [f"{number} a-rather-long-name-for-an-exchanger-{number}.big.test." for number in range(60)]
    world.zone.records["big.test", "MX"] = hosts
    assert len(routed(world, "big.test").hosts) == 60


def test_private_targets_are_refused_unless_allowed(world: World) -> None:
    world.zone.records["mx.in.test", "A"] = ["10.0.0.1", "127.0.0.1"]

    async def ask(*, allow: bool) -> tuple[str, ...]:
        resolver = Resolver(*world.resolver)
        found = await find_addresses(resolver, "mx.in.test", (wire.A,), allow_private=allow)
        resolver.close()
        return found.usable

    assert asyncio.run(ask(allow=False)) == ()
    assert len(asyncio.run(ask(allow=True))) == 2


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "10.1.2.3", "169.254.1.1", "0.0.0.0", "::1", "fe80::1", "::ffff:10.0.0.1", "224.0.0.1"],
)
def test_addresses_that_are_nobodys_mail_server_are_not_public(ip: str) -> None:
    assert not is_public(ip)


def test_equal_preferences_are_shuffled_and_others_kept_in_order() -> None:
    route = Route(
        tuple(Host(name, preference, preference == 1) for name, preference in (("a", 1), ("b", 1), ("c", 2)))
    )
    orders = {tuple(host.name for host in route.ordered(random.Random(seed))) for seed in range(50)}
    assert orders == {("a", "b", "c"), ("b", "a", "c")}


def test_a_silent_resolver_is_a_timeout_never_no_mx(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validator.resolver.TRIES", (0.1, 0.1))
    world.zone.records["mute.test", "MX"] = "silent"
    route = routed(world, "mute.test")
    assert route.status is Status.TIMEOUT
    assert route.reason == "dns_timeout"


def test_one_question_in_flight_serves_all_who_ask(world: World) -> None:
    world.zone.mail("a.test", (10, "mx.a.test", "127.0.0.1"))

    async def ask() -> None:
        resolver = Resolver(*world.resolver)
        await asyncio.gather(*(resolver.ask("a.test", wire.MX) for _ in range(20)))
        with pytest.raises(DnsError):
            await resolver.ask("x" * 64 + ".test", wire.A)
        resolver.close()

    asyncio.run(ask())
    assert world.zone.asked.count(("a.test", "MX")) == 1
