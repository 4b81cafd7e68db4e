"""What one account asks of a node, and how many accounts a node of a type carries by each of its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from costs.holdings import FULL_MONTH
from costs.limits import Figure, Limits


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that accounts use up on a node.

    Args:
        what: what it is.
        unit: of use and limit.
        per_account: what one account uses, exactly.
        limit: what a node of the type has of it; None where that is not known.
    """

    what: str
    unit: str
    per_account: Fraction
    limit: Figure | None

    @property
    def carries(self) -> int | None:
        """The most accounts the limit allows; None where it is not known."""
        return None if self.limit is None else int(Fraction(self.limit.value) / self.per_account)


def demands(provider: str, type_name: str, mails: int, bounds: Limits) -> Iterator[Demand]:
    """What one account uses up on a node, beside what a node of this type has.

    Args:
        provider: who rents the node out.
        type_name: the provider's own name of its type.
        mails: mails an account sends a day.
        bounds: the limits and assumptions.
    """
    kind = bounds.server(provider, type_name)
    mail_kb, hours = Fraction(bounds["mail_kb"]), Fraction(bounds["sending_hours"])
    rate = bounds.figures[kind.mails_per_minute] if kind.mails_per_minute else None

    def has(amount: int | None, unit: str, taken: Decimal = Decimal(0)) -> Figure | None:
        source = f"{provider}, type {type_name}" + (", less the system's own" if taken else "")
        left = None if amount is None else amount - taken
        return (
            Figure(value=left, unit=unit, certainty="documented", source=source)
            if left is not None and left > 0
            else None
        )

    yield Demand("sending rate", "mails a minute", mails / hours / 60, rate)
    yield Demand(
        "disk for mailboxes",
        "GB",
        Fraction(bounds["mailbox_mb"]) / 1000,
        has(kind.disk_gb, "GB", bounds["system_disk_gb"]),
    )
    yield Demand(
        "memory for sessions",
        "GB",
        Fraction(bounds["account_memory_mb"]) / 1000,
        has(kind.memory_gb, "GB", bounds["system_memory_mb"] / 1000),
    )
    yield Demand("bandwidth", "Mbit/s", mbit(mails / hours, mail_kb), has(kind.port_mbit, "Mbit/s"))
    yield Demand(
        "traffic", "TB a month", mails * FULL_MONTH * mail_kb / 10**9, has(kind.traffic_tb, "TB a month")
    )


def mbit(mails_per_hour: Fraction, mail_kb: Fraction) -> Fraction:
    """Bandwidth in Mbit/s that a rate of mails takes."""
    return mails_per_hour * mail_kb * 8 / 1000 / 3600


def decimal(number: Fraction) -> Decimal:
    """The number with 28 digits."""
    return Decimal(number.numerator) / number.denominator
