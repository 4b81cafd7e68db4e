"""Money that knows its currency and its period, so that monthly dollars cannot meet daily ones by accident.

Each period is a class of its own (:class:`Monthly`, :class:`Yearly`, ...). `monthly + daily`,
`monthly / daily` and `monthly.per(mails_a_day)` are type errors for mypy, and :class:`MoneyError` when they
run anyway. Amounts are exact decimals; the only place that rounds is :func:`round_half_up`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import ClassVar, Self

SYMBOLS = {"EUR": "€", "USD": "$"}
CENTS = 2


class MoneyError(TypeError):
    """Two amounts were combined that have no common meaning."""


def round_half_up(amount: Decimal, places: int = CENTS) -> Decimal:
    """Round to `places` decimals, halves away from zero, as invoices do.

    Args:
        amount: any finite decimal.
        places: digits kept behind the point.
    """
    with localcontext() as context:
        context.prec = 60  # quantize refuses results longer than the precision
        return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency for one period. Only the subclasses, one a period, can be made.

    Args:
        amount: the exact amount; floats are refused because they are not exact.
        currency: ISO 4217 code, in capitals.

    Raises:
        MoneyError: the amount is no finite decimal or integer, or the currency is no ISO 4217 code.
    """

    amount: Decimal
    currency: str

    period: ClassVar[str] = ""
    suffix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.period:
            raise MoneyError("Money has no period: use Hourly, Daily, Monthly, Yearly or Once")
        if isinstance(self.amount, int) and not isinstance(self.amount, bool):
            object.__setattr__(self, "amount", Decimal(self.amount))
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise MoneyError(f"{self.amount!r} is not an exact amount: give a Decimal")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise MoneyError(f"{self.currency!r} is not an ISO 4217 currency code")

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Nothing, in `currency`: the start of a sum."""
        return cls(Decimal(0), currency)

    def _comparable(self, other: object) -> None:
        if type(other) is not type(self):
            wrong = other.period if isinstance(other, Money) else type(other).__name__
            raise MoneyError(f"an amount per {self.period} does not combine with {wrong!r}")
        if other.currency != self.currency:
            raise MoneyError(f"{self.currency} does not combine with {other.currency}: no rate is known")

    def __add__(self, other: Self) -> Self:
        self._comparable(other)
        return type(self)(self.amount + other.amount, self.currency)

    def __sub__(self, other: Self) -> Self:
        self._comparable(other)
        return type(self)(self.amount - other.amount, self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.amount, self.currency)

    def __lt__(self, other: Self) -> bool:
        self._comparable(other)
        return self.amount < other.amount

    def __le__(self, other: Self) -> bool:
        self._comparable(other)
        return self.amount <= other.amount

    def __mul__(self, factor: int | Decimal) -> Self:
        return type(self)(self.amount * _plain(factor), self.currency)

    def __truediv__(self, divisor: int | Decimal) -> Self:
        return type(self)(self.amount / _plain(divisor), self.currency)

    def ratio(self, other: Self) -> Decimal:
        """How many times `other` this is: a plain number, since currency and period cancel out."""
        self._comparable(other)
        return self.amount / other.amount

    def rounded(self, places: int = CENTS) -> Self:
        """The same, rounded half up to `places` decimals."""
        return type(self)(round_half_up(self.amount, places), self.currency)

    def fixed(self, places: int = CENTS) -> str:
        """Digits alone with exactly `places` decimals, for JSON and CSV: `343.00`."""
        return f"{round_half_up(self.amount, places):f}"

    def text(self, places: int = CENTS) -> str:
        """For people, without the period: `$20,759.19`, `-€4.80`, `12.00 CHF`."""
        digits = f"{abs(round_half_up(self.amount, places)):,f}"
        sign = "-" if round_half_up(self.amount, places) < 0 else ""
        symbol = SYMBOLS.get(self.currency)
        return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {self.currency}"

    def __str__(self) -> str:
        return self.text() + self.suffix


@dataclass(frozen=True, slots=True)
class Hourly(Money):
    """An amount per started hour."""

    period: ClassVar[str] = "hour"
    suffix: ClassVar[str] = "/h"


@dataclass(frozen=True, slots=True)
class Daily(Money):
    """An amount per day."""

    period: ClassVar[str] = "day"
    suffix: ClassVar[str] = "/day"


@dataclass(frozen=True, slots=True)
class Once(Money):
    """An amount paid once, also the price of one piece."""

    period: ClassVar[str] = "once"
    suffix: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Monthly(Money):
    """An amount per calendar month."""

    period: ClassVar[str] = "month"
    suffix: ClassVar[str] = "/mo"

    def yearly(self) -> Yearly:
        """Twelve months of it."""
        return Yearly(self.amount * 12, self.currency)

    def per(self, volume: MailsPerMonth) -> Once:
        """What one of `volume`'s mails costs.

        Raises:
            MoneyError: the volume is not a month's. Dividing a month's money by a day's mails is the error
                that makes the seed's cost per mail thirty times too high.
        """
        if type(volume) is not MailsPerMonth:
            raise MoneyError(
                f"money per month does not divide by {type(volume).__name__}: use .over(days=...)"
            )
        return Once(self.amount / volume.mails, self.currency)


@dataclass(frozen=True, slots=True)
class Yearly(Money):
    """An amount per year."""

    period: ClassVar[str] = "year"
    suffix: ClassVar[str] = "/yr"

    def monthly(self) -> Monthly:
        """The exact twelfth, not rounded."""
        return Monthly(self.amount / 12, self.currency)

    def instalments(self) -> tuple[Monthly, ...]:
        """Twelve months in whole cents that sum to the year's cents exactly."""
        due = [round_half_up(self.amount * month / 12) for month in range(13)]
        return tuple(Monthly(due[month + 1] - due[month], self.currency) for month in range(12))


@dataclass(frozen=True, slots=True)
class MailsPerMonth:
    """Mails sent in one month."""

    mails: int


@dataclass(frozen=True, slots=True)
class MailsPerDay:
    """Mails sent on one sending day."""

    mails: int

    def over(self, days: int) -> MailsPerMonth:
        """The month's mails, with `days` sending days in it."""
        return MailsPerMonth(self.mails * days)


def _plain(factor: object) -> int | Decimal:
    if isinstance(factor, bool) or not isinstance(factor, (int, Decimal)):
        what = f"an amount per {factor.period}" if isinstance(factor, Money) else type(factor).__name__
        raise MoneyError(f"money multiplies and divides by plain numbers only, not by {what}")
    return factor
