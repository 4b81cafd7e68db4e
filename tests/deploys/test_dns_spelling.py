"""Each record has one spelling of ours, whatever the provider's is."""

from __future__ import annotations

from typing import Any

import pytest
from cloudflare.types.dns import RecordResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deploys.dns.spelling import auto_ttl, dotless, quoted, unquoted
from deploys.plan import Fields
from deploys.providers.cloudflare_wire import from_wire, to_wire
from deploys.world import Record

ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=900)


@given(ASCII)
def test_any_txt_comes_back_as_it_went(text: str) -> None:
    assert unquoted(quoted(text)) == text


@given(ASCII)
def test_no_txt_string_is_longer_than_255_octets(text: str) -> None:
    wire = quoted(text).replace('\\"', "q").replace("\\\\", "b")
    assert all(len(string) <= 255 for string in wire[1:-1].split('" "'))


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("v=spf1 -all", "v=spf1 -all"),
        ('"v=spf1 -all"', "v=spf1 -all"),
        ('"v=spf1" " -all"', "v=spf1 -all"),
        ('"v=DMARC1\\; p=none"', "v=DMARC1; p=none"),
        ('"a\\"b"', 'a"b'),
        ('"a\\059b"', "a;b"),
        ('""', ""),
        ('  "x"  ', "x"),
    ],
)
def test_every_spelling_of_a_txt_is_the_same_text(spelling: str, text: str) -> None:
    assert unquoted(spelling) == text


@pytest.mark.parametrize(
    ("name", "plain"), [("A.Example.", "a.example"), ("a.example", "a.example"), (".", ".")]
)
def test_names_have_no_trailing_dot_but_the_root(name: str, plain: str) -> None:
    assert dotless(name) == plain


def test_an_automatic_ttl_is_300_seconds() -> None:
    assert [auto_ttl(ttl) for ttl in (1, 1.0, 300, 3600)] == [300, 300, 300, 3600]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("A", "198.51.100.1"),
        ("MX", "10 n1.infra.example"),
        ("MX", "0 ."),
        ("CAA", '0 issue "letsencrypt.org"'),
        ("TXT", "v=spf1 include:_pool-a.infra.example -all"),
        ("TXT", "v=DKIM1; k=rsa; p=" + "A" * 392),
    ],
)
def test_a_record_sent_to_cloudflare_reads_back_equal(kind: str, value: str) -> None:
    record = Record("a.example", "x.a.example", kind, value, 3600)
    fields: Fields = {"name": record.name, "type": kind, "value": value, "ttl": record.ttl}
    wire: dict[str, Any] = to_wire(fields, "mark")
    if kind == "CAA":
        wire["content"] = '{flags} {tag} "{value}"'.format(**wire["data"])
    answer = {**wire, "id": "1", "proxiable": False, "proxied": False, "settings": {}, "meta": {}, "tags": []}
    answer |= {"created_on": "2026-01-01T00:00:00Z", "modified_on": "2026-01-01T00:00:00Z"}
    read: RecordResponse = TypeAdapter(RecordResponse).validate_python(answer)
    assert from_wire("a.example", read) == record
