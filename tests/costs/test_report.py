"""The report says the same in every form, and the same bytes for the same input."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from costs.charges import BY_DEFAULT, EVERYTHING, Component, Scope
from costs.holdings import Holdings
from costs.pricebook import PriceBook
from costs.report.compare import read_baseline
from costs.report.focus import COLUMNS
from costs.report.model import report
from costs.report.write import files
from costs.scaling import staircase
from tests.costs.conftest import outreach

START = date(2026, 12, 1)
MANDATORY = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
"""The 21 mandatory columns of FOCUS 1.2."""


def written(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Mapping[str, bytes]:
    found = report(holdings, book, scope)
    return files(found, staircase(holdings, book, scope) if found.scaling else (), START)


@pytest.fixture(scope="module")
def seed_forms(fleet: Holdings, seed: PriceBook) -> Mapping[str, bytes]:
    """Every file of a report at the seed's prices."""
    return written(fleet, seed)


@pytest.fixture(scope="module")
def full_forms(fleet: Holdings, current: PriceBook) -> Mapping[str, bytes]:
    """Every file of a report at today's prices, with every service."""
    return written(fleet, current, EVERYTHING)


@pytest.fixture(scope="module")
def euro_forms(fleet: Holdings) -> Mapping[str, bytes]:
    """Every file of a report in a currency that has not all prices."""
    return written(fleet, PriceBook.load("current", "EUR"))


@pytest.fixture(params=["seed_forms", "full_forms"])
def forms(request: pytest.FixtureRequest) -> Mapping[str, bytes]:
    """Each report whose prices are all known."""
    found: Mapping[str, bytes] = request.getfixturevalue(request.param)
    return found


def rows(forms: Mapping[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(forms[name].decode())))


def statement(forms: Mapping[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(forms["report.json"])["statement"]
    return found


def in_groups(cells: list[tuple[str, str]]) -> None:
    """Lines sum to the subtotal below them, subtotals to the total."""
    part, whole = Decimal(0), Decimal(0)
    for kind, amount in cells:
        number = Decimal(0) if amount == "-" else Decimal(re.sub(r"[^0-9.]", "", amount))
        if kind == "line":
            part += number
        elif kind == "subtotal":
            assert part == number
            part, whole = Decimal(0), whole + number
        else:
            assert whole == number


def test_lines_sum_to_subtotals_and_total_in_json(forms: Mapping[str, bytes]) -> None:
    own = statement(forms)
    assert sum(Decimal(line["monthly"]) for line in own["lines"]) == Decimal(own["total_monthly"])
    assert sum(map(Decimal, own["subtotals"].values())) == Decimal(own["total_monthly"])


def test_lines_sum_to_subtotals_and_total_in_csv(forms: Mapping[str, bytes]) -> None:
    found = rows(forms, "budget.csv")
    in_groups([(row["row"], row["a month"]) for row in found])
    assert found[-1]["a month"] == statement(forms)["total_monthly"]


def test_lines_sum_to_subtotals_and_total_in_markdown(forms: Mapping[str, bytes]) -> None:
    text = forms["report.md"].decode()
    table = text[text.index("accounts cost a month") :].split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.replace("\\$", "").strip("|").split("|")] for line in table]
    kinds = ["line" if not row[0].startswith("**") else "subtotal" for row in cells]
    in_groups([(kind, row[5].strip("*")) for kind, row in zip([*kinds[:-1], "total"], cells, strict=True)])


def test_lines_sum_to_subtotals_and_total_on_the_page(forms: Mapping[str, bytes]) -> None:
    text = forms["report.html"].decode()
    table = text[text.index('id="table-budget"') : text.index('id="table-mails"')]
    found = []
    for kind, row in re.findall(r'<tr class="(\w+)">(.*?)</tr>', table, flags=re.DOTALL):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
        found.append((kind, cells[5]))
    assert [kind for kind, _ in found].count("total") == 1
    in_groups(found)


def test_components_sum_to_the_total_at_every_size(forms: Mapping[str, bytes]) -> None:
    scaling = json.loads(forms["report.json"])["scaling"]
    for size in (scaling["base"], scaling["computed"], *scaling["curve"]):
        assert sum(map(Decimal, size["components"].values())) == Decimal(size["total"])


def test_focus_bills_a_year_whose_billed_and_effective_costs_are_the_same(forms: Mapping[str, bytes]) -> None:
    found = rows(forms, "focus.csv")
    billed = sum(Decimal(row["BilledCost"]) for row in found)
    assert billed == sum(Decimal(row["EffectiveCost"]) for row in found)
    assert billed == Decimal(statement(forms)["total_monthly"]) * 12


def test_focus_has_its_mandatory_columns_and_whole_months(forms: Mapping[str, bytes]) -> None:
    found = rows(forms, "focus.csv")
    assert MANDATORY <= set(COLUMNS) == set(found[0])
    assert {row["BillingPeriodStart"][:7] for row in found} == {
        *(f"2027-{month:02}" for month in range(1, 12)),
        "2026-12",
    }
    for row in found:
        start, end = row["ChargePeriodStart"], row["ChargePeriodEnd"]
        assert re.fullmatch(r"\d{4}-\d{2}-01T00:00:00Z", start)
        assert start < end
        assert row["BillingCurrency"] == "USD"


def test_focus_bills_yearly_domains_once_and_spreads_them(full_forms: Mapping[str, bytes]) -> None:
    found = [row for row in rows(full_forms, "focus.csv") if row["x_Component"] == Component.DOMAINS]
    bought, months = found[0], found[1:]
    assert (bought["ChargeCategory"], bought["BilledCost"], bought["EffectiveCost"]) == (
        "Purchase",
        "417.60",
        "0.00",
    )
    assert [(row["BilledCost"], row["EffectiveCost"]) for row in months] == [("0.00", "34.80")] * 12


def test_no_amount_is_in_another_currency(euro_forms: Mapping[str, bytes]) -> None:
    for name in ("report.md", "report.html"):
        text = euro_forms[name].decode()
        own = text[: text.index("figures of the seed document")]
        assert "€52.99" in own
        assert "$" not in own, name
    assert {row["BillingCurrency"] for row in rows(euro_forms, "focus.csv")} == {"EUR"}


def test_the_same_input_gives_the_same_bytes(
    fleet: Holdings, seed: PriceBook, seed_forms: Mapping[str, bytes]
) -> None:
    again = written(fleet, seed)
    assert set(again) == set(seed_forms)
    assert [name for name in again if again[name] != seed_forms[name]] == []


def test_the_report_keeps_to_its_published_schema(forms: Mapping[str, bytes]) -> None:
    schema = json.loads(forms["report.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(forms["report.json"])
    jsonschema.validate(data, schema, cls=jsonschema.Draft202012Validator)
    data["statement"]["lines"][0]["monthly"] = 10
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema, cls=jsonschema.Draft202012Validator)


def test_a_report_with_unknown_prices_keeps_to_the_schema_and_says_so(
    euro_forms: Mapping[str, bytes],
) -> None:
    found = euro_forms
    data = json.loads(found["report.json"])
    jsonschema.validate(data, json.loads(found["report.schema.json"]), cls=jsonschema.Draft202012Validator)
    assert data["statement"]["total_monthly"] is None
    assert set(data["unavailable"]) == {"mails", "scaling", "optimum"}
    assert b"At least \xe2\x82\xac52.99/mo" in found["report.html"]
    assert b"unknown" in found["budget.csv"]


def test_the_page_needs_no_network_and_no_script(forms: Mapping[str, bytes]) -> None:
    text = forms["report.html"].decode()
    assert re.findall(r"<(?:script|link|img|iframe|object)\b", text) == []
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"|url\((?!#)[^)]*\)|@import", text) == []


def test_every_chart_says_its_units_and_what_to_see(forms: Mapping[str, bytes]) -> None:
    text = forms["report.html"].decode()
    titles = dict(re.findall(r'<figure id="chart-(\w+)">\s*<figcaption>(.*?)</figcaption>', text))
    assert set(titles) == {"budget", "curve", "capacity", "warmup"}
    assert all(re.search(r"\d", title) for title in titles.values())
    for name, units in {
        "budget": ["$ a month"],
        "curve": ["$ for 1,000 mails", "accounts"],
        "capacity": ["% of the limit used"],
        "warmup": ["mails a day from one address", "day of the warm-up"],
    }.items():
        figure = text[text.index(f'id="chart-{name}"') :]
        figure = figure[: figure.index("</figure>")]
        assert [unit for unit in units if figure.count(f">{unit}") < 2] == []  # wide and narrow


def test_each_chart_is_a_picture_for_chat(forms: Mapping[str, bytes]) -> None:
    for name in ("budget", "curve", "capacity", "warmup"):
        with Image.open(io.BytesIO(forms[f"{name}.png"])) as picture:
            colours = picture.convert("RGB").getcolors(1 << 20)
            assert picture.width > 1000
        assert colours is not None
        white = max(count for count, _ in colours)
        assert white < picture.width * picture.height * 0.97


def test_a_baseline_shows_what_changed_by_line_and_in_sum(
    fleet: Holdings, seed: PriceBook, seed_forms: Mapping[str, bytes], tmp_path: Path
) -> None:
    baseline = tmp_path / "report.json"
    baseline.write_bytes(seed_forms["report.json"])
    lean = report(fleet, seed, Scope(without=frozenset({Component.PROXIES})))
    found = lean.compared(read_baseline(baseline)).model_dump(mode="json")["comparison"]
    assert (found["before"], found["after"], found["difference"]) == ("343.00", "148.00", "-195.00")
    assert found["lines"] == [
        {
            "id": "proxies",
            "quantity_before": 150,
            "quantity_after": 0,
            "before": "195.00",
            "after": "0.00",
            "difference": "-195.00",
        }
    ]
    same = outreach("report", "--book", "seed", "--baseline", baseline)
    assert "Since the baseline: $0.00 a month" in same.stdout.replace("\\", "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("{", "is not JSON"),
        ("[]", "is not a cost report of version 1"),
        ('{"version": 1, "statement": {"currency": "EUR"}}', "the baseline is in EUR, this report in USD"),
    ],
    ids=["missing", "not JSON", "not a report", "another currency"],
)
def test_a_baseline_that_cannot_be_compared_is_one_line(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    baseline = tmp_path / "then.json"
    if content is not None:
        baseline.write_text(content)
    run = outreach("report", "--book", "seed", "--baseline", baseline)
    assert run.returncode == 1
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1


def test_the_command_writes_every_form_of_the_report(seed_forms: Mapping[str, bytes], tmp_path: Path) -> None:
    run = outreach("report", "--book", "seed", "--start", "2026-12", "-o", tmp_path / "costs")
    assert run.returncode == 0, run.stderr
    found = {path.name: path.read_bytes() for path in (tmp_path / "costs").iterdir()}
    assert found == seed_forms


@pytest.mark.parametrize(("limit", "status"), [("342.99", 3), ("343", 0), ("343.00", 0), ("400", 0)])
def test_over_the_budget_exits_3(limit: str, status: int) -> None:
    run = outreach("report", "--book", "seed", "--budget", limit)
    assert run.returncode == status
    assert run.stderr == ("outreach: Over the limit of $342.99/mo by $0.01.\n" if status else "")


def test_a_budget_is_over_for_certain_when_its_known_part_is() -> None:
    known = outreach("report", "--book", "current", "--currency", "EUR", "--budget", "52")
    assert known.returncode == 3
    unsure = outreach("report", "--book", "current", "--currency", "EUR", "--budget", "400")
    assert unsure.returncode == 0
    assert "is unknown: no price is known for proxies, domains" in unsure.stdout
