"""Findings in the seed's cost of a mail, and of an account."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costs.alternatives import premium
from costs.audit.evidence import Evidence, Finding, finding
from costs.holdings import FULL_MONTH, WORKING_MONTH
from costs.money import MailsPerDay, Monthly
from costs.shapes import MAIL_PLACES


def per_mail(e: Evidence) -> Iterator[Finding]:
    """The cost of a mail: a month's money over a month's mails, not over a day's."""
    mails, scaled = (e.said.count(name) for name in ("mails-per-day", "scaled-mails-per-day"))
    wrong = "monthly dollars over daily mails; over the month's"
    cases = (
        ("08-cost-per-mail", "cost-per-mail", e.total, mails, FULL_MONTH),
        ("08-cost-per-mail-of-quoted", "cost-per-mail", e.claimed("total"), mails, FULL_MONTH),
        ("08-cost-per-mail-22-days", "cost-per-mail", e.total, mails, WORKING_MONTH),
        ("08-scaled-of-quoted", "scaled-cost-per-mail", e.claimed("scaled-total"), scaled, FULL_MONTH),
        ("08-scaled", "scaled-cost-per-mail", e.rebased, scaled, FULL_MONTH),
        ("08-scaled-same-ratio", "scaled-cost-per-mail", e.grown.total, scaled, FULL_MONTH),
    )
    for name, claim, total, daily, days in cases:
        month = MailsPerDay(daily).over(days)
        price = total.per(month)
        thousand = (price * 1000).text(3)
        yield finding(
            name,
            e.said[claim],
            price,
            f"{wrong}: {total.text()} / {month.mails:,}, {days} sending days; {thousand} a thousand",
            places=MAIL_PLACES,
        )
    yield from _as_divided(e, mails, scaled)


def _as_divided(e: Evidence, mails: int, scaled: int) -> Iterator[Finding]:
    """The seed's own division, though its units do not fit, done right."""
    said, upper = e.claimed("total"), e.claimed("total-upper")
    then = e.claimed("scaled-total")
    yield finding(
        "09-division-as-written",
        e.said["cost-per-mail"],
        _divided(said, mails),
        f"{said.text()} / {mails:,} is this; {upper.text()} is what is written, "
        f"{_divided(upper, mails):.5f}; {e.total.text()} gives {_divided(e.total, mails):.5f}; "
        f"{then.text()} / {scaled:,} is right, {_divided(then, scaled):.4f}",
        places=5,
    )


def _divided(total: Monthly, mails: int) -> Decimal:
    return total.amount / mails


def per_account(e: Evidence) -> Iterator[Finding]:
    """What one account costs, which the seed never says."""
    cases = [
        ("15-per-account", e.total, e.fleet.accounts, "today"),
        ("15-per-account-scaled", e.rebased, e.accounts, "scaled as quoted, on the right base"),
        ("15-per-account-same-ratio", e.grown.total, e.accounts, "scaled in today's ratios"),
    ]
    other = premium(e.fleet, e.seed, e.own)
    if other is not None:
        cases.append(("15-per-account-premium", other.total, e.fleet.accounts, "with rented seats"))
    for name, total, accounts, when in cases:
        yield finding(
            name, None, total / accounts, f"{total.text()} / {accounts:,} accounts, {when}", places=3
        )
