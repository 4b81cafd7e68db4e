"""The emulators' pure parts: contents, names, selectors, limits, addresses."""

from __future__ import annotations

from pathlib import Path

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.emulators.addresses import AddressPool
from lab.emulators.cloudflare.content import character_strings, normalise, owner, quoted
from lab.emulators.contabo.instances import term_end
from lab.emulators.hetzner.keys import fingerprint
from lab.emulators.hetzner.labels import checked, selector
from lab.emulators.hosts import HostNames
from lab.emulators.ratelimit import Bucket, Window
from lab.emulators.store import Store
from lab.emulators.vendor import VendorError


@pytest.mark.parametrize(
    ("given_content", "stored"),
    [
        ('"v=spf1 -all"', '"v=spf1 -all"'),
        ('"a" "b"', '"a" "b"'),
        ('"a"   "b"', '"a" "b"'),
        (r'"a\"b\\c\;d"', r'"a\"b\\c;d"'),
        (r'"\255"', r'"\255"'),
        ('"' + "x" * 300 + '"', f'"{"x" * 255}" "{"x" * 45}"'),
        ('""', '""'),
        ('"ü"', r'"\195\188"'),
        ("v=spf1 -all", "v=spf1 -all"),
        ('say "hi"', 'say "hi"'),
        ("x" * 300, "x" * 300),
    ],
)
def test_quoted_txt_content_is_normalised_and_other_stays(given_content: str, stored: str) -> None:
    assert normalise("TXT", {"content": given_content}) == {"content": stored}


@given(st.lists(st.binary(min_size=1, max_size=255), min_size=1, max_size=2))
def test_any_strings_survive_quoting_and_are_read_alike_by_dnspython(strings: list[bytes]) -> None:
    text = quoted(strings)
    if len(text) <= 2048:
        assert character_strings(text) == strings
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, text)
    assert list(rdata.strings) == strings  # type: ignore[attr-defined]  # dnspython types the base class


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=400))
def test_a_normalised_txt_content_is_normal(text: str) -> None:
    try:
        once = normalise("TXT", {"content": text})
    except VendorError:
        return
    assert normalise("TXT", once) == once


@pytest.mark.parametrize(
    ("kind", "body", "stored"),
    [
        ("A", {"content": "192.0.2.1"}, {"content": "192.0.2.1"}),
        ("AAAA", {"content": "2001:DB8:0::1"}, {"content": "2001:db8::1"}),
        ("CNAME", {"content": "N1.Berg.Example."}, {"content": "n1.berg.example"}),
        ("NS", {"content": "ns1.berg.example."}, {"content": "ns1.berg.example"}),
        ("MX", {"content": "n1.example.", "priority": 10}, {"content": "n1.example", "priority": 10}),
        ("MX", {"content": ".", "priority": 0}, {"content": ".", "priority": 0}),
        (
            "CAA",
            {"data": {"flags": 0, "tag": "issue", "value": "ca.example"}},
            {"content": '0 issue "ca.example"', "data": {"flags": 0, "tag": "issue", "value": "ca.example"}},
        ),
        (
            "CAA",
            {"content": '0 issue "ca.example"'},
            {"content": '0 issue "ca.example"', "data": {"flags": 0, "tag": "issue", "value": "ca.example"}},
        ),
        (
            "SRV",
            {"content": "1 2 3 N1.example."},
            {
                "content": "1 2 3 n1.example",
                "priority": 1,
                "data": {"priority": 1, "weight": 2, "port": 3, "target": "n1.example"},
            },
        ),
        (
            "TLSA",
            {"content": "3 1 1 ABCD"},
            {
                "content": "3 1 1 abcd",
                "data": {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "abcd"},
            },
        ),
    ],
)
def test_contents_are_brought_to_one_form(
    kind: str, body: dict[str, object], stored: dict[str, object]
) -> None:
    assert normalise(kind, body) == stored
    assert normalise(kind, stored) == stored


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("@", "berg.example"),
        ("berg.example", "berg.example"),
        ("berg.example.", "berg.example"),
        ("N1", "n1.berg.example"),
        ("n1.berg.example", "n1.berg.example"),
        ("mail.other.example", "mail.other.example.berg.example"),
        ("_dmarc", "_dmarc.berg.example"),
        ("*", "*.berg.example"),
        ("bücher", "xn--bcher-kva.berg.example"),
    ],
)
def test_names_are_full_and_in_lower_case(name: str, full: str) -> None:
    assert owner(name, "berg.example") == full


@pytest.mark.parametrize("name", ["", "a..b", "-a", "a b", "a.*", "x" * 64, None, 7])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(VendorError):
        owner(name, "berg.example")


@pytest.mark.parametrize(
    ("text", "labels", "chosen"),
    [
        ("env=prod", {"env": "prod"}, True),
        ("env==prod", {"env": "test"}, False),
        ("env!=prod", {"env": "test"}, True),
        ("env!=prod", {}, True),
        ("env", {"env": ""}, True),
        ("!env", {}, True),
        ("!env", {"env": ""}, False),
        ("env in (prod, test)", {"env": "test"}, True),
        ("env in (prod,test)", {}, False),
        ("env notin (prod,test)", {"env": "dev"}, True),
        ("env notin (prod,test)", {}, True),
        ("env in (prod,test),!old, fleet=berg", {"env": "prod", "fleet": "berg"}, True),
        ("env in (prod,test),!old", {"env": "prod", "old": ""}, False),
        ("berg.example/fleet=a", {"berg.example/fleet": "a"}, True),
    ],
)
def test_a_selector_chooses_as_documented(text: str, labels: dict[str, str], chosen: bool) -> None:
    assert selector(text)(labels) is chosen


@pytest.mark.parametrize("text", ["=prod", "a b", "env in prod", "-x=1", "a=b,,c"])
def test_a_wrong_selector_is_refused(text: str) -> None:
    with pytest.raises(VendorError):
        selector(text)


@pytest.mark.parametrize(
    "labels",
    [{"-a": "b"}, {"a": "b c"}, {"a": 1}, {"hetzner.cloud/a": "b"}, {"a": "x" * 64}, {"": "b"}, ["a"]],
)
def test_wrong_labels_are_refused(labels: object) -> None:
    with pytest.raises(VendorError):
        checked(labels)


def test_a_fingerprint_is_the_md5_of_the_key_as_ssh_keygen_shows_it() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILTVYCj/2YdETCOYTFAEgaP49Kt366Oqjy4kf3aio4ae ops"
    assert fingerprint(key) == "d3:47:11:ad:a1:68:0c:6b:a1:76:6c:d3:0d:6d:3e:ad"


@pytest.mark.parametrize(
    "key", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA", "x y"]
)
def test_what_is_no_key_has_no_fingerprint(key: str) -> None:
    with pytest.raises(VendorError):
        fingerprint(key)


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=200))
def test_a_bucket_never_gives_more_than_its_burst_and_its_refill(pauses: list[float]) -> None:
    bucket, now, given_out = Bucket(10, 20), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now).allowed
        assert given_out <= 10 + now * 0.5 + 1e-6


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=200))
def test_a_client_that_waits_as_told_is_served(pauses: list[float]) -> None:
    for limit in (Bucket(3, 20), Window(3, 20)):
        now = 0.0
        for pause in pauses:
            now += pause
            found = limit.take(now)
            if not found.allowed:
                now += found.retry_after
                assert limit.take(now).allowed


def test_a_window_blocks_to_its_end() -> None:
    window = Window(2, 300)
    found = [window.take(at).allowed for at in (0.0, 1.0, 2.0, 299.0, 300.0)]
    assert found == [True, True, False, False, True]


def test_addresses_are_handed_out_in_turn_and_a_freed_one_last(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite3")
    pool = AddressPool(store, "test", "198.18.1.0/28")
    used: list[str] = []
    while (address := pool.take(used)) is not None:
        used.append(address)
    assert used == [f"198.18.1.{last}" for last in range(10, 15)]
    used.remove("198.18.1.12")
    assert pool.take(used) == "198.18.1.12"


def test_a_host_name_is_given_once(tmp_path: Path) -> None:
    names = HostNames(Store(tmp_path / "s.sqlite3"))
    assert names.reserve("N1.infra.example", "vmi1") == "n1"
    assert names.reserve("n1.other.example", "vmi2") == "vmi2"
    assert names.reserve("My server!", "vmi3") == "vmi3"
    names.release("n1")
    assert names.reserve("n1", "vmi4") == "n1"


@pytest.mark.parametrize(
    ("created", "months", "now", "end"),
    [
        ("2026-01-31", 1, "2026-02-01", "2026-02-28"),
        ("2026-01-31", 1, "2026-03-01", "2026-03-31"),
        ("2026-11-24", 1, "2026-11-24", "2026-12-24"),
        ("2026-11-24", 12, "2026-12-24", "2027-11-24"),
        ("2026-11-24", 3, "2027-02-25", "2027-05-24"),
    ],
)
def test_a_cancelled_term_ends_on_the_day_of_the_month_it_began(
    created: str, months: int, now: str, end: str
) -> None:
    assert term_end(_seconds(created), months, _seconds(now)) == end


def _seconds(day: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()
