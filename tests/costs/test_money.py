"""Money cannot be mixed up: not by the type checker's leave, and not when it runs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mypy import api as mypy

from costs.money import (
    Daily,
    MailsPerDay,
    MailsPerMonth,
    Money,
    MoneyError,
    Monthly,
    Once,
    Yearly,
    round_half_up,
)

ROOT = Path(__file__).parents[2]

amounts = st.decimals(-(10**9), 10**9, places=4)
currencies = st.sampled_from(["USD", "EUR", "CHF"])
kinds = st.sampled_from([Daily, Monthly, Yearly, Once])


def usd(amount: str) -> Monthly:
    return Monthly(Decimal(amount), "USD")


WRONG: dict[str, Callable[[], object]] = {
    "monthly / daily": lambda: usd("343") / Daily(Decimal(1), "USD"),  # type: ignore[operator]
    "monthly + daily": lambda: usd("343") + Daily(Decimal(1), "USD"),  # type: ignore[operator]
    "monthly - yearly": lambda: usd("343") - Yearly(Decimal(1), "USD"),  # type: ignore[operator]
    "monthly < daily": lambda: usd("343") < Daily(Decimal(1), "USD"),  # type: ignore[operator]
    "monthly * monthly": lambda: usd("343") * usd("2"),  # type: ignore[operator]
    "monthly over a day's mails": lambda: usd("335").per(MailsPerDay(60_000)),  # type: ignore[arg-type]
    "monthly + 1": lambda: usd("343") + 1,  # type: ignore[operator]
    "dollars + euros": lambda: usd("343") + Monthly(Decimal(1), "EUR"),
    "dollars < euros": lambda: usd("343") < Monthly(Decimal(1), "EUR"),
    "money without a period": lambda: Money(Decimal(1), "USD"),
    "a float": lambda: Monthly(1.3, "USD"),  # type: ignore[arg-type]
    "money times a float": lambda: usd("343") * 1.5,  # type: ignore[operator]
    "not a number": lambda: Monthly(Decimal("NaN"), "USD"),
    "no currency": lambda: Monthly(Decimal(1), "dollars"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_sum_without_meaning_raises(wrong: str) -> None:
    with pytest.raises(MoneyError):
        WRONG[wrong]()


def test_a_sum_without_meaning_is_a_type_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expressions = (
        'Monthly(Decimal(343), "USD") / Daily(Decimal(1), "USD")',
        'Monthly(Decimal(343), "USD") + Daily(Decimal(1), "USD")',
        'Monthly(Decimal(335), "USD").per(MailsPerDay(60_000))',
        'Yearly(Decimal(12), "USD").per(MailsPerMonth(1))',
        'Monthly(Decimal(343), "USD") * 1.5',
    )
    source = tmp_path / "sums.py"
    source.write_text(
        "from decimal import Decimal\n"
        "from costs.money import Daily, MailsPerDay, MailsPerMonth, Monthly, Yearly\n"
        + "\n".join(expressions)
    )
    monkeypatch.chdir(ROOT)
    found, complaint, status = mypy.run(["--strict", "--cache-dir", str(tmp_path), str(source)])
    assert status == 1, complaint
    for line in range(3, 3 + len(expressions)):
        assert f"sums.py:{line}: error" in found


def test_the_seeds_cost_per_mail_is_a_months_money_over_a_months_mails() -> None:
    month = MailsPerDay(60_000).over(days=30)
    assert month == MailsPerMonth(1_800_000)
    assert usd("343").per(month).fixed(7) == "0.0001906"


@given(amounts, amounts, currencies, kinds)
def test_money_adds_and_subtracts_exactly(
    one: Decimal, other: Decimal, currency: str, kind: type[Money]
) -> None:
    total = kind(one, currency) + kind(other, currency)
    assert total - kind(other, currency) == kind(one, currency)
    assert total.amount == one + other


@given(amounts, amounts, currencies, currencies)
def test_currencies_never_mix(one: Decimal, other: Decimal, here: str, there: str) -> None:
    if here == there:
        assert (Monthly(one, here) + Monthly(other, there)).currency == here
    else:
        with pytest.raises(MoneyError):
            Monthly(one, here) + Monthly(other, there)


@given(st.decimals(0, 10**7, places=2), currencies)
def test_twelve_instalments_are_whole_cents_and_the_year_again(year: Decimal, currency: str) -> None:
    months = Yearly(year, currency).instalments()
    assert len(months) == 12
    assert sum((month.amount for month in months), Decimal(0)) == year
    assert all(month == month.rounded() for month in months)
    assert max(months) - min(months) <= Monthly(Decimal("0.01"), currency)


@pytest.mark.parametrize(
    ("amount", "places", "rounded"),
    [
        ("0.005", 2, "0.01"),
        ("-0.005", 2, "-0.01"),
        ("0.0049", 2, "0.00"),
        ("2.5", 0, "3"),
        ("1e30", 2, "1e30"),
    ],
)
def test_halves_round_away_from_zero(amount: str, places: int, rounded: str) -> None:
    assert round_half_up(Decimal(amount), places) == Decimal(rounded)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (usd("20759.19"), "$20,759.19/mo"),
        (Monthly(Decimal("-4.8"), "EUR"), "-€4.80/mo"),
        (Yearly(Decimal("10.44"), "USD"), "$10.44/yr"),
        (Once(Decimal(12), "CHF"), "12.00 CHF"),
        (Monthly(Decimal("-0.001"), "USD"), "$0.00/mo"),
    ],
)
def test_money_reads_as_people_write_it(money: Money, text: str) -> None:
    assert str(money) == text
