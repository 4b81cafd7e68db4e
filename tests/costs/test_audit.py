"""The audit names every contradiction of the seed's tables with its exact corrected value."""

from __future__ import annotations

import json
import re

import pytest

from costs.audit import Finding, audit
from tests.costs.conftest import printed

# The finding, what the seed says, what is right.
EXACT: list[tuple[str, str | None, str]] = [
    ("01-total", "335.00", "343.00"),
    ("02-scaled-total", "1025.00", "1033.00"),
    ("03-nodes", "33", "34"),
    ("03-nodes-added", "25", "26"),
    ("03-nodes-cost", "150.00", "156.00"),
    ("04-proxies", "500", "625"),
    ("04-proxies-added", "350", "475"),
    ("04-proxies-cost", "455.00", "617.50"),
    ("04-headroom", "20", "25"),
    ("04-headroom-scaled", "20", "0"),
    ("05-domains", "125", "167"),
    ("05-domains-added", "85", "127"),
    ("05-domains-cost", "85.00", "127.00"),
    ("06-same-ratio-total", "1025.00", "1243.50"),
    ("06-same-ratio-added", "690.00", "900.50"),
    ("07-flat-costs", "60.00", "250.00"),
    ("08-cost-per-mail", "0.0058", "0.0001906"),
    ("08-cost-per-mail-of-quoted", "0.0058", "0.0001861"),
    ("08-cost-per-mail-22-days", "0.0058", "0.0002598"),
    ("08-scaled-of-quoted", "0.0041", "0.0001367"),
    ("08-scaled", "0.0041", "0.0001377"),
    ("08-scaled-same-ratio", "0.0041", "0.0001658"),
    ("09-division-as-written", "0.0058", "0.00558"),
    ("10-saving-at-scale", "29", "27.7"),
    ("10-saving-same-ratio", "29", "13.0"),
    ("10-saving-from", "3000", "1354"),
    ("11-premium-total", "4870.00", "5143.00"),
    ("11-premium-ratio", "14.5", "15.0"),
    ("12-n8n-on-orchestrator", "20.00", "0.00"),
    ("12-total-with-n8n-apart", "335.00", "363.00"),
    ("12-saving-zapier-apart", "1200.00", "960.00"),
    ("12-saving-zapier-shared", "1200.00", "1080.00"),
    ("12-saving-make-apart", "600.00", "360.00"),
    ("12-saving-make-shared", "600.00", "480.00"),
    ("13-smtp-hosting", "30.00", "0.00"),
    ("14-monitoring", "20.00", "107.25"),
    ("14-monitoring-both-yearly", "20.00", "16.50"),
    ("14-total-with-monitoring", "335.00", "430.25"),
    ("15-per-account", None, "0.286"),
    ("15-per-account-scaled", None, "0.207"),
    ("15-per-account-same-ratio", None, "0.249"),
    ("15-per-account-premium", None, "4.286"),
    ("16-mails-per-domain", "1500", "2000"),
    ("16-mails-per-node", "7500", "7576"),
    ("16-mails-per-proxy", "400", "500"),
    ("17-found-prices", "335.00", "20759.19"),
    ("17-found-prices-lean", "335.00", "128.19"),
    ("17-proxies", "195.00", "19500.00"),
    ("17-monitoring", "20.00", "1131.00"),
    ("18-terms", None, "USD, net of VAT"),
    ("19-n8n-against-zapier", "10", "5.0"),
    ("19-n8n-against-make", "10", "2.5"),
    ("20-failover", "20.00", "10.00"),
    ("21-n8n-executions", "10000", "60000"),
    ("22-domains-bought", "40", "50"),
    ("22-domains-cost", "40.00", "16.67"),
    ("23-seats-for-all", "4800.00", "7200.00"),
    ("24-tier-1", "65.00", "195.00"),
    ("25-warmup-days", "35", "28"),
    ("26-warmup-workflow", "5", "65"),
    ("27-address-ramp", "750", "50"),
    ("28-bandwidth", "0.5", "0.083"),
]

# What the reason must say in figures too.
REASONS = [
    ("01-total", ["$273.00/mo", "$70.00/mo", "$8.00 low (2.3 %)", "$342.50/mo"]),
    ("03-nodes", ["33.3 nodes", "33 hold 4,950", "50 accounts have none"]),
    ("06-same-ratio-total", ["21.3 % more"]),
    ("07-flat-costs", ["4.17 times"]),
    ("09-division-as-written", ["0.00583", "0.00572", "0.0041"]),
    ("11-premium-ratio", ["$5,143.00 to $343.00"]),
    ("13-smtp-hosting", ["$48.00/mo", "$313.00/mo"]),
    ("14-monitoring", ["$99.00/yr", "$99.00/mo"]),
    ("17-found-prices", ["$130.00/mo", "100 times $1.30/mo"]),
]


@pytest.fixture(scope="module")
def found() -> dict[str, Finding]:
    return {finding.id: finding for finding in audit()}


@pytest.mark.parametrize(("name", "quoted", "computed"), EXACT, ids=[row[0] for row in EXACT])
def test_a_finding_has_its_exact_value(
    name: str, quoted: str | None, computed: str, found: dict[str, Finding]
) -> None:
    assert (found[name].quoted, found[name].computed) == (quoted, computed)


@pytest.mark.parametrize(("name", "figures"), REASONS, ids=[row[0] for row in REASONS])
def test_a_reason_shows_the_figures_it_rests_on(
    name: str, figures: list[str], found: dict[str, Finding]
) -> None:
    assert [figure for figure in figures if figure not in found[name].why] == []


def test_every_finding_is_in_the_table_above(found: dict[str, Finding]) -> None:
    assert list(found) == [row[0] for row in EXACT]


def test_no_finding_agrees_with_the_seed(found: dict[str, Finding]) -> None:
    assert [name for name, finding in found.items() if finding.quoted == finding.computed] == []


def test_the_command_lists_findings_of_four_fields() -> None:
    listed = json.loads(printed("audit", "--format", "json"))
    assert {tuple(finding) for finding in listed} == {("id", "quoted", "computed", "why")}
    numbers = [int(re.match(r"\d+", finding["id"])[0]) for finding in listed]  # type: ignore[index] # all match
    assert sorted(set(numbers)) == list(range(1, 29))
    assert numbers == sorted(numbers)
