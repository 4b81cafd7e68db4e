"""The warm-up plan day by day, by account, domain and node, beside what new addresses may send elsewhere."""

from __future__ import annotations

from decimal import Decimal

from costs.claims import claims
from costs.holdings import Holdings
from costs.limits import Limits
from costs.shapes import Result, Tenths

WEEK = 7


class WarmupDay(Result):
    """One day of the warm-up.

    Args:
        day: 1 for the first.
        week: 1 for the first.
        per_account: mails an account may send.
        per_domain: mails from the fullest domain.
        per_node: mails from the fullest node's one address.
        fleet: mails of the whole fleet.
        percent_of_full_load: the fleet's share of what it sends once warm.
        published_ramp: what published ramps allow a new address on that day.
        times_published: how many times that the fullest node sends.
        recipients: who the seed says they go to; empty where the plan is not the seed's.
        target_success: the share the seed expects to be accepted; empty where the plan is not the seed's.
    """

    day: int
    week: int
    per_account: int
    per_domain: int
    per_node: int
    fleet: int
    percent_of_full_load: Tenths
    published_ramp: int
    times_published: Tenths
    recipients: str
    target_success: str


def warmup_days(holdings: Holdings, bounds: Limits) -> tuple[WarmupDay, ...]:
    """Each day of the fleet's warm-up plan; none if it has no plan."""
    caps = [stage.mails_per_day for stage in holdings.warmup for _ in range(stage.days)]
    table = claims().warmup
    seeds = caps == [week.mails for week in table for _ in range(WEEK)]
    days = []
    for day, cap in enumerate(caps, start=1):
        week = (day - 1) // WEEK
        node, ramp = cap * holdings.fullest_node, bounds.ramp(day)
        days.append(
            WarmupDay(
                day=day,
                week=week + 1,
                per_account=cap,
                per_domain=cap * holdings.fullest_domain,
                per_node=node,
                fleet=cap * holdings.accounts,
                percent_of_full_load=Decimal(cap * 100) / holdings.caps.mails_per_account,
                published_ramp=ramp,
                times_published=Decimal(node) / ramp,
                recipients=table[week].recipients if seeds else "",
                target_success=table[week].target_success if seeds else "",
            )
        )
    return tuple(days)
