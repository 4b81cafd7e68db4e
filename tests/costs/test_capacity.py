"""Loads stand beside their limits, and what breaks first is named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from costs.capacity import capacity
from costs.holdings import Holdings
from costs.limits import LimitsError, limits
from costs.loads import Load
from inventory import allocate, load_fleet
from tests.costs.conftest import ROOT


def of(loads: tuple[Load, ...], name: str) -> Load:
    return next(load for load in loads if load.id == name)


# The load, its use, its limit, the number of accounts at which it breaks.
LOADS = [
    ("accounts-per-node", "150", "150", 1201),
    ("mails-per-address", "7500", "7500", 1201),
    ("domains-per-node", "5", "5", 1201),
    ("mails-per-domain", "1500", "2000", 1601),
    ("accounts-per-proxy", "8", "10", 1501),
    ("mails-per-proxy", "400", "500", 1501),
    ("contabo-v153-disk-for-mailboxes", "30", "90", 3601),
    ("n8n-executions", "1200", "9983", 9984),
    ("dns-requests", "160", "1200", 9001),
]


@pytest.mark.parametrize(("name", "use", "limit", "breaks"), LOADS, ids=[row[0] for row in LOADS])
def test_a_load_of_the_shipped_fleet(name: str, use: str, limit: str, breaks: int, fleet: Holdings) -> None:
    load = of(capacity(fleet).loads, name)
    assert (load.use, load.limit, load.breaks_at) == (Decimal(use), Decimal(limit), breaks)


def test_a_sending_rate_is_spread_over_the_sending_hours(fleet: Holdings) -> None:
    load = of(capacity(fleet).loads, "contabo-v153-sending-rate")
    assert f"{load.use:.4f}" == f"{7500 / 12 / 60:.4f}"
    assert load.breaks_at == 8 * 25 * 60 * 12 // 50 + 1


def test_every_limit_says_how_sure_it_is_and_from_where(fleet: Holdings) -> None:
    assert all(load.certainty and load.source for load in capacity(fleet).loads)
    assert all(figure.source for figure in limits().figures.values())


def test_what_breaks_first_is_full_nodes_and_then_the_orchestrator(fleet: Holdings) -> None:
    found = capacity(fleet)
    assert found.first_to_break == "accounts-per-node"
    assert found.first_to_break_when_grown == "dns-requests"


@pytest.mark.parametrize("accounts", [1201, 1350, 5000, 100_000])
def test_no_cap_is_exceeded_when_nodes_grow_with_the_accounts(accounts: int, fleet: Holdings) -> None:
    for load in capacity(fleet.grown(accounts)).loads:
        if load.bound_to == "nodes" and load.certainty == "given":
            assert load.margin is not None
            assert load.margin >= 0, load


def test_one_account_more_than_breaks_at_is_over_and_one_less_is_not(fleet: Holdings) -> None:
    load = of(capacity(fleet).loads, "mails-per-domain")
    assert load.breaks_at is not None
    for accounts, over in ((load.breaks_at - 1, False), (load.breaks_at, True)):
        crowded = replace(fleet, accounts=accounts, fullest_domain=-(-accounts // fleet.domains))
        margin = of(capacity(crowded).loads, "mails-per-domain").margin
        assert margin is not None
        assert (margin < 0) is over


def test_a_limit_nobody_names_is_unknown(fleet: Holdings) -> None:
    other = replace(fleet, nodes=(replace(fleet.nodes[0], type="V999"),))
    load = of(capacity(other).loads, "contabo-v999-bandwidth")
    assert (load.limit, load.margin, load.breaks_at, load.certainty) == (None, None, None, "unknown")


def test_the_warm_up_has_35_days_by_account_domain_and_node(fleet: Holdings) -> None:
    days = capacity(fleet).warmup
    assert [day.day for day in days] == list(range(1, 36))
    for first, cap in ((1, 5), (8, 10), (15, 20), (22, 35), (29, 50)):
        for day in days[first - 1 : first + 6]:
            assert (day.per_account, day.per_domain, day.per_node, day.fleet) == (
                cap,
                cap * 30,
                cap * 150,
                cap * 1200,
            )


def test_the_published_ramp_of_a_new_address_stands_beside_the_plan(fleet: Holdings) -> None:
    days = capacity(fleet).warmup
    assert [days[day - 1].published_ramp for day in (1, 7, 8, 15, 22, 30, 31)] == [
        50,
        50,
        200,
        500,
        1000,
        1000,
        2500,
    ]
    assert days[0].times_published == 15


def test_the_seeds_half_percent_of_a_gigabit_is_a_twelfth_percent(fleet: Holdings) -> None:
    link = capacity(fleet).link
    assert round(link.computed_percent, 3) == Decimal("0.083")
    assert link.implied_mail_kb == 450


def test_another_figure_can_be_assumed_for_a_run(fleet: Holdings) -> None:
    heavy = capacity(fleet, limits().assuming({"mail_kb": "450"}))
    assert heavy.link.computed_percent == Decimal("0.5")
    assert limits()["mail_kb"] == 75


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"colour": "1"}, "no figure 'colour'"),
        ({"mail_kb": "-1"}, "a positive number is wanted, in kB"),
        ({"mail_kb": "heavy"}, "a positive number is wanted, in kB"),
        ({"mail_kb": "NaN"}, "a positive number is wanted, in kB"),
    ],
)
def test_a_figure_that_cannot_be_assumed_is_one_clear_line(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(LimitsError, match=complaint):
        limits().assuming(given)


def test_a_node_with_a_cap_of_its_own_is_not_over_it(tmp_path: Path) -> None:
    text = (ROOT / "rehearsal.yaml").read_text("utf-8")
    path = tmp_path / "fleet.yaml"
    path.write_text(text, "utf-8")
    holdings = Holdings.of(allocate(load_fleet(path, {})))
    load = of(capacity(holdings).loads, "accounts-per-node")
    assert load.limit is not None
    assert load.use <= load.limit
    assert load.breaks_at == holdings.caps.accounts + 1
