"""How much a fleet carries, how much it could, and what breaks first as accounts grow."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from costs.claims import claims
from costs.hardware import decimal, mbit
from costs.holdings import Holdings
from costs.limits import Limits, limits
from costs.loads import ORCHESTRATOR, Load, loads
from costs.shapes import Hundredths, Result, Tenths
from costs.warmup import WarmupDay, warmup_days


class LinkCheck(Result):
    """The seed's figure on bandwidth, computed.

    Args:
        mails_per_hour: the rate it names.
        link_mbit: the link it names.
        quoted_percent: how much of it the seed says is used.
        computed_percent: how much is used with mails of the assumed size.
        implied_mail_kb: how large a mail must be for the seed to be right.
        quoted_accounts: up to how many accounts the seed says a link is enough.
        percent_at_quoted_accounts: how much of one link so many accounts use in the sending hours.
    """

    mails_per_hour: int
    link_mbit: int
    quoted_percent: Hundredths
    computed_percent: Hundredths
    implied_mail_kb: Tenths
    quoted_accounts: int
    percent_at_quoted_accounts: Tenths


class Capacity(Result):
    """What a fleet carries.

    Args:
        fleet: the fleet's name.
        accounts: its mailboxes.
        mails_per_day: what it sends at full load.
        mails_per_node: on the fullest node.
        mails_per_domain: on the fullest domain.
        mails_per_proxy: on each proxy, if mails went through them; None without proxies.
        loads: everything that is bounded.
        first_to_break: which load exceeds its limit first if accounts grow and nothing is added.
        first_to_break_when_grown: the same if nodes, domains and proxies are added in today's ratios.
        link: the seed's figure on bandwidth, computed.
        warmup: each day of the warm-up plan.
    """

    fleet: str
    accounts: int
    mails_per_day: int
    mails_per_node: int
    mails_per_domain: int
    mails_per_proxy: Tenths | None
    loads: tuple[Load, ...]
    first_to_break: str
    first_to_break_when_grown: str
    link: LinkCheck
    warmup: tuple[WarmupDay, ...]


def capacity(holdings: Holdings, bounds: Limits | None = None) -> Capacity:
    """Compute what a fleet carries and what breaks first.

    Args:
        holdings: the fleet at full load.
        bounds: the limits; as shipped, if None.
    """
    bounds = bounds or limits()
    found = tuple(loads(holdings, bounds))
    each = holdings.caps.mails_per_account
    return Capacity(
        fleet=holdings.name,
        accounts=holdings.accounts,
        mails_per_day=holdings.mails_per_day,
        mails_per_node=holdings.fullest_node * each,
        mails_per_domain=holdings.fullest_domain * each,
        mails_per_proxy=Decimal(holdings.mails_per_day) / holdings.proxy_count
        if holdings.proxy_count
        else None,
        loads=found,
        first_to_break=_first(found),
        first_to_break_when_grown=_first(load for load in found if load.bound_to == ORCHESTRATOR),
        link=_link(bounds),
        warmup=warmup_days(holdings, bounds),
    )


def _first(loads: Iterable[Load]) -> str:
    known = [(load.breaks_at, load.id) for load in loads if load.breaks_at is not None]
    return min(known)[1]


def _link(bounds: Limits) -> LinkCheck:
    said = claims()
    rate, link = Fraction(said["link-mails-per-hour"]), Fraction(said["link-mbit"])
    each, accounts = Fraction(bounds["mail_kb"]), said.count("link-accounts")
    percent = mbit(rate, each) * 100 / link
    per_hour = accounts * Fraction(said.fleet.mails_per_account.value) / Fraction(bounds["sending_hours"])
    return LinkCheck(
        mails_per_hour=int(rate),
        link_mbit=int(link),
        quoted_percent=said["link-percent"],
        computed_percent=decimal(percent),
        implied_mail_kb=decimal(each * Fraction(said["link-percent"]) / percent),
        quoted_accounts=accounts,
        percent_at_quoted_accounts=decimal(mbit(per_hour, each) * 100 / link),
    )
