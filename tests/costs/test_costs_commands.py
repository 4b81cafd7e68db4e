"""`outreach costs`, run as a user runs it: what fits, what fails, and how."""

from __future__ import annotations

import json

import pytest

from costs.charges import Component
from tests.costs.conftest import FLEET, outreach, printed

TABLES = [
    ("budget",),
    ("budget", "--book", "seed"),
    ("scaling", "--accounts", "5000", "--book", "seed"),
    ("scaling", "--accounts", "1000000"),
    ("capacity",),
    ("mails", "--book", "seed"),
    ("mails",),
    ("audit",),
    ("optimise", "--accounts", "100000"),
    ("books",),
    ("limits",),
]


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_tables_fit_80_columns_without_cutting_anything(command: tuple[str, ...]) -> None:
    text = printed(*command)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_every_command_prints_json_csv_and_markdown(command: tuple[str, ...]) -> None:
    json.loads(printed(*command, "--format", "json"))
    head, *lines = printed(*command, "--format", "csv").splitlines()
    assert head.startswith("row,")
    assert lines
    assert printed(*command, "--format", "markdown").startswith("## ")


def test_the_seeds_budget_is_343_in_every_format() -> None:
    assert json.loads(printed("budget", "--book", "seed", "--format", "json"))["total_monthly"] == "343.00"
    assert "Total a month" in printed("budget", "--book", "seed")
    assert "$343.00" in printed("budget", "--book", "seed")
    assert "total,Total a month,,,,,343.00," in printed("budget", "--book", "seed", "--format", "csv")
    assert "**\\$343.00**" in printed("budget", "--book", "seed", "--format", "markdown")


def test_an_unknown_price_reads_unknown_in_every_format() -> None:
    euros = ("budget", "--currency", "EUR")
    assert json.loads(printed(*euros, "--format", "json"))["total_monthly"] is None
    assert "total,Total a month,,,,,unknown," in printed(*euros, "--format", "csv")
    assert "**unknown**" in printed(*euros, "--format", "markdown")
    assert "At least €52.99/mo; the price is unknown of: proxies, domains." in printed(*euros)


def test_today_the_fleet_costs_98_19_without_proxies_and_paid_monitoring() -> None:
    found = json.loads(printed("budget", "--without", "proxies", "--format", "json"))
    assert found["total_monthly"] == "98.19"


def test_the_fleet_file_names_the_book_unless_told() -> None:
    assert json.loads(printed("budget", "--format", "json"))["book"] == "current"


WRONG = [
    (("budget", "--fleet", "nowhere.yaml"), "nowhere.yaml"),
    (("budget", "--book", "gold"), "no price book 'gold': give one of current, seed"),
    (("budget", "--currency", "CHF"), "has no price in CHF"),
    (("budget", "--also", "nodes"), "--also nodes: only a service can be added: monitoring, smtp-hosting"),
    (("optimise", "--accounts", "-5"), "--accounts -5: a fleet has at least 1 account"),
    (("report", "--accounts", "0"), "--accounts 0: a fleet has at least 1 account"),
    (("scaling", "--accounts", "0"), "--accounts 0: a fleet has at least 1 account"),
    (
        ("scaling", "--accounts", "100", "--currency", "EUR"),
        "has no EUR price for iproyal 4g, registrar domain",
    ),
    (("mails", "--currency", "EUR"), "add it to a book of your own, or leave it out with --without"),
    (("optimise", "--accounts", "100", "--currency", "EUR"), "has no EUR price for any domain"),
    (("capacity", "--assume", "mail_kb"), "--assume mail_kb: write KEY=VALUE"),
    (("capacity", "--assume", "colour=1"), "no figure 'colour' to assume: it is one of account_memory_mb"),
    (("report", "--budget", "much"), "--budget much: give an amount a month"),
    (("report", "--budget", "-1"), "--budget -1: give an amount a month"),
    (("report", "--start", "12/2026"), "--start 12/2026: give a month as YYYY-MM"),
    (("report", "-o", str(FLEET)), "cannot be written"),
]


@pytest.mark.parametrize(("command", "complaint"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_what_is_wrong_is_said_in_one_line(command: tuple[str, ...], complaint: str) -> None:
    run = outreach(*command)
    assert (run.returncode, run.stdout) == (1, "")
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1


def test_shares_of_nothing_are_refused_in_one_line() -> None:
    nothing = [option for component in Component for option in ("--without", component)]
    for command in (("mails",), ("scaling", "--accounts", "10")):
        run = outreach(*command, *nothing)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr == "outreach: nothing in the budget costs anything: leave fewer components out\n"
    assert "Total a month" in printed("budget", *nothing)
    assert "Without mails: nothing in the budget costs anything" in printed("report", *nothing)


def test_every_component_can_be_left_out() -> None:
    for component in Component:
        found = json.loads(printed("budget", "--book", "seed", "--without", component, "--format", "json"))
        assert component not in {line["component"] for line in found["lines"]}
