"""What a fleet publishes is complete, and strict checkers of others' making accept it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import checkdmarc  # type: ignore[import-untyped]  # ships no types
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import pytest
from checkdmarc.dmarc import check_dmarc  # type: ignore[import-untyped]  # ships no types
from checkdmarc.smtp_tls_reporting import (  # type: ignore[import-untyped]  # ships no types
    check_smtp_tls_reporting,
)
from checkdmarc.spf import check_spf  # type: ignore[import-untyped]  # ships no types

from deploys.dns.records import POOL_SIZE, pool_name, reported_domain
from deploys.dns.spelling import quoted
from deploys.symbolic import Symbolic
from deploys.wanted import wanted
from deploys.world import Facts, Record
from tests.deploys.fleets import allocation, facts, fleet_text


class Published(dns.resolver.Resolver):
    """Answers from records alone, as an authoritative server would."""

    def __init__(self, records: tuple[Record, ...]) -> None:
        super().__init__(configure=False)
        self._records = records

    def resolve(self, qname: Any, rdtype: Any = "A", *_: Any, **__: Any) -> Any:
        name = str(qname).rstrip(".").lower()
        there = [record for record in self._records if record.name == name]
        if not there:
            raise dns.resolver.NXDOMAIN
        kind = dns.rdatatype.RdataType.make(rdtype).name
        found = [self._rdata(record) for record in there if record.type == kind]
        if not found:
            raise dns.resolver.NoAnswer
        return found

    def _rdata(self, record: Record) -> dns.rdata.Rdata:
        value = str(record.value)
        text = quoted(value) if record.type == "TXT" else value
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(record.type), text)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    for cache in vars(checkdmarc.utils).values():
        if hasattr(cache, "clear") and type(cache).__name__ == "ExpiringDict":
            cache.clear()


@pytest.fixture
def records(tmp_path: Path) -> tuple[Record, ...]:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=2, domains=6))
    return wanted(fleet, facts(fleet)).records


def by_name(records: tuple[Record, ...], zone: str) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.zone == zone:
            found.setdefault((record.relative, record.type), []).append(str(record.value))
    return found


def test_a_sending_domain_has_exactly_these_records(records: tuple[Record, ...]) -> None:
    found = by_name(records, "d6.example")
    key = found.pop(("s1._domainkey", "TXT"))[0]
    assert key.startswith("v=DKIM1; k=rsa; p=")
    assert found == {
        ("@", "MX"): ["10 n2.infra.example"],
        ("@", "TXT"): ["v=spf1 include:_pool-a.infra.example -all"],
        ("_dmarc", "TXT"): [
            "v=DMARC1; p=none; sp=reject; np=reject; adkim=r; aspf=r; rua=mailto:dmarc-reports@infra.example"
        ],
        ("_smtp._tls", "TXT"): ["v=TLSRPTv1; rua=mailto:tls-reports@infra.example"],
        ("@", "CAA"): ['0 issue "letsencrypt.org"'],
    }


def test_the_infrastructure_zone_has_exactly_these_records(records: tuple[Record, ...]) -> None:
    found = by_name(records, "infra.example")
    for number in range(1, 7):
        assert found.pop((f"d{number}.example._report._dmarc", "TXT")) == ["v=DMARC1;"]
    assert found == {
        ("@", "MX"): ["10 n1.infra.example"],
        ("@", "TXT"): ["v=spf1 -all"],
        ("_dmarc", "TXT"): [
            "v=DMARC1; p=reject; sp=reject; np=reject; rua=mailto:dmarc-reports@infra.example"
        ],
        ("_smtp._tls", "TXT"): ["v=TLSRPTv1; rua=mailto:tls-reports@infra.example"],
        ("@", "CAA"): ['0 issue "letsencrypt.org"'],
        ("hub", "A"): ["198.51.100.10"],
        ("hub", "MX"): ["0 ."],
        ("hub", "TXT"): ["v=spf1 -all"],
        ("n1", "A"): ["198.51.100.11"],
        ("n1", "TXT"): ["v=spf1 a -all"],
        ("n2", "A"): ["198.51.100.12"],
        ("n2", "TXT"): ["v=spf1 a -all"],
        ("_pool-a", "TXT"): ["v=spf1 ip4:198.51.100.11 ip4:198.51.100.12 -all"],
    }


@pytest.mark.parametrize("domain", ["d1.example", "n1.infra.example", "hub.infra.example", "infra.example"])
def test_checkdmarc_finds_nothing_wrong_with_spf(records: tuple[Record, ...], domain: str) -> None:
    result = check_spf(domain, resolver=Published(records))
    assert result["valid"] is True, result
    assert result["warnings"] == []
    assert result["parsed"]["all"] == "fail"


@pytest.mark.parametrize(
    ("domain", "warnings"),
    [
        ("infra.example", []),
        # Monitoring is where every domain begins: docs/going-live.md says when it ends.
        ("d1.example", ["A p tag value of none makes DMARC unenforced on email sent as d1.example."]),
    ],
)
def test_checkdmarc_finds_nothing_wrong_with_dmarc(
    records: tuple[Record, ...], domain: str, warnings: list[str]
) -> None:
    result: Any = check_dmarc(domain, resolver=Published(records))
    assert result["valid"] is True, result
    assert result["warnings"] == warnings
    assert "pct" not in result["record"]  # RFC 9989 dropped it


def test_checkdmarc_misses_the_consent_to_external_reports_if_it_is_not_there(
    records: tuple[Record, ...],
) -> None:
    without = tuple(record for record in records if reported_domain(record) != "d1.example")
    result: Any = check_dmarc("d1.example", resolver=Published(without))
    assert "does not indicate that it accepts DMARC reports" in str(result)


def test_checkdmarc_accepts_the_tls_report_address(records: tuple[Record, ...]) -> None:
    result: Any = check_smtp_tls_reporting("d1.example", resolver=Published(records))
    assert result["valid"] is True, result


def test_a_pool_holds_at_most_twelve_nodes_and_its_answer_fits_one_packet(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=34, domains=167))
    far = Facts({server.name: "203.0.113.254" for server in fleet.servers})
    pools = [record for record in wanted(fleet, far).records if record.relative.startswith("_pool-")]
    assert [record.relative for record in pools] == ["_pool-a", "_pool-b", "_pool-c"]
    assert [str(record.value).count("ip4:") for record in pools] == [12, 12, 10]
    assert max(len(str(record.value)) for record in pools) < 450


def test_a_domain_includes_the_pool_of_its_home_alone(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=34, domains=167))
    includes = Counter(
        str(record.value).split()[1]
        for record in wanted(fleet, Facts()).records
        if record.relative == "@" and record.type == "TXT" and record.zone != "infra.example"
    )
    assert includes == {
        "include:_pool-a.infra.example": 60,
        "include:_pool-b.infra.example": 60,
        "include:_pool-c.infra.example": 47,
    }


@pytest.mark.parametrize(
    ("position", "name"), [(0, "a"), (11, "a"), (12, "b"), (26 * POOL_SIZE - 1, "z"), (26 * POOL_SIZE, "aa")]
)
def test_pools_are_lettered_in_the_order_of_nodes(position: int, name: str) -> None:
    assert pool_name(position) == name


def test_what_nobody_knows_yet_is_a_hole_and_nothing_else_is(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=2, domains=4))
    holes = {
        f"{record.relative} {record.type}"
        for record in wanted(fleet, Facts()).records
        if isinstance(record.value, Symbolic)
    }
    assert holes == {"hub A", "n1 A", "n2 A", "_pool-a TXT", "s1._domainkey TXT"}
