"""Hetzner's price list, read from the emulated API, changes the lines it must and no other."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from costs.pricebook import Kind, PriceBook
from costs.refresh import RefreshError, fetch_pricing, listed_lines, refresh
from tests.costs.conftest import outreach
from tests.emulators import Emulators

TODAY = date(2026, 12, 1)


def price(location: str, net: str) -> dict[str, Any]:
    return {"location": location, "price_monthly": {"net": net, "gross": net}}


def pricing(**servers: str) -> dict[str, Any]:
    return {
        "currency": "EUR",
        "server_types": [
            {"name": name, "prices": [price("fsn1", net), price("ash", "99.0000000000")]}
            for name, net in servers.items()
        ],
        "primary_ips": [
            {"type": "ipv4", "prices": [price("fsn1", "0.5000000000")]},
            {"type": "ipv6", "prices": [price("fsn1", "0.0000000000")]},
        ],
    }


def changed(current: PriceBook, **servers: str) -> tuple[dict[str, tuple[str | None, str | None]], PriceBook]:
    report, renewed = refresh(current, listed_lines(pricing(**servers), "fsn1", TODAY), "fsn1", TODAY)
    return {change.product: (change.before, change.after) for change in report.changes}, renewed


ALL = {
    "cx23": "5.4900000000",
    "cx33": "8.4900000000",
    "cx43": "15.9900000000",
    "cx53": "29.4900000000",
    "cax11": "5.9900000000",
    "cax21": "10.4900000000",
    "cpx22": "19.4900000000",
    "ccx13": "42.9900000000",
}


def test_the_same_prices_change_nothing(current: PriceBook) -> None:
    changes, renewed = changed(current, **ALL)
    assert changes == {}
    assert renewed == current


def test_another_price_replaces_the_books_and_dates_it(current: PriceBook) -> None:
    changes, renewed = changed(current, **ALL | {"cx33": "9.1000000000"})
    assert changes == {"cx33": ("8.49", "9.10")}
    line = next(line for line in renewed.lines if line.names == ("cx33",) and line.currency == "EUR")
    assert (line.price, line.region) == (Decimal("9.10"), "fsn1")
    assert "2026-12-01" in line.source
    assert renewed.dated == TODAY


def test_a_new_product_gets_a_price_and_a_vanished_one_becomes_unknown(current: PriceBook) -> None:
    without = {name: net for name, net in ALL.items() if name != "cx53"}
    changes, renewed = changed(current, **without | {"cx63": "55.0000000000"})
    assert changes == {"cx53": ("29.49", None), "cx63": (None, "55.00")}
    euros = PriceBook(renewed.name, renewed.dated, "EUR", renewed.tax, renewed.about, renewed.lines)
    assert euros.server_monthly("hetzner", "cx53") is None
    assert str(euros.server_monthly("hetzner", "cx63")) == "€55.00/mo"


def test_no_other_currency_provider_or_kind_is_touched(current: PriceBook) -> None:
    _, renewed = changed(current, cx33="1.0000000000")
    assert renewed.server_monthly("hetzner", "cx33") == current.server_monthly("hetzner", "cx33")
    kept = [line for line in current.lines if line.provider != "hetzner" or line.currency != "EUR"]
    assert [line for line in renewed.lines if line in kept] == kept


@pytest.mark.parametrize(
    ("data", "location", "complaint"),
    [
        ({}, "fsn1", "not in the documented form"),
        (pricing(cx33="eight"), "fsn1", "not in the documented form"),
        (pricing(cx33="8.49"), "mars", "no price for location 'mars'"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_clear_line(
    data: dict[str, Any], location: str, complaint: str
) -> None:
    with pytest.raises(RefreshError, match=complaint):
        listed_lines(data, location, TODAY)


def test_the_emulated_api_is_read_by_the_vendors_sdk(emulators: Emulators) -> None:
    listed = fetch_pricing(emulators.env["HCLOUD_TOKEN"], emulators.env["HCLOUD_ENDPOINT"])
    lines = listed_lines(listed, "fsn1", TODAY)
    assert {line.kind for line in lines} == {Kind.SERVER, Kind.IPV4}
    assert any(line.names == ("cx33",) for line in lines)


def test_the_command_shows_the_difference_and_writes_a_book_that_has_none(
    emulators: Emulators, tmp_path: Path
) -> None:
    book = tmp_path / "prices.yaml"
    environ = {name: emulators.env[name] for name in ("HCLOUD_TOKEN", "HCLOUD_ENDPOINT")}
    first = outreach("refresh", "-o", book, "--format", "json", **environ)
    found = json.loads(first.stdout)
    assert (first.returncode, first.stderr) == (2 if found["changes"] else 0, "")
    assert found["listed"] > 1
    again = outreach("refresh", "--book", book, "--format", "json", **environ)
    assert (again.returncode, json.loads(again.stdout)["changes"]) == (0, [])
    priced = outreach("budget", "--book", book, "--currency", "EUR", "--format", "json")
    assert priced.returncode == 0, priced.stderr


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({}, "HCLOUD_TOKEN is not set"),
        ({"HCLOUD_TOKEN": "wrong"}, "hetzner: pricing:"),
        (
            {"HCLOUD_TOKEN": "x", "HCLOUD_ENDPOINT": "http://127.0.0.1:9/v1"},
            "cannot be read (ConnectionError)",
        ),
    ],
    ids=["no token", "a refused token", "nobody there"],
)
def test_what_keeps_the_list_from_being_read_is_one_line(
    environ: dict[str, str], complaint: str, emulators: Emulators
) -> None:
    run = outreach("refresh", **{"HCLOUD_ENDPOINT": emulators.env["HCLOUD_ENDPOINT"], **environ})
    assert run.returncode == 1
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1
