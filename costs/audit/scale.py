"""Findings in the seed's scaling table, its loads, and the saving it promises."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costs.audit.evidence import Evidence, Finding, finding
from costs.charges import SERVICES, Component
from costs.marginal import saving as saving_of
from costs.money import Monthly


def table(e: Evidence) -> Iterator[Finding]:
    """Nodes, proxies and domains at the larger size, and their sum."""
    said, base, grown = e.said, e.base, e.grown
    each_node = e.fleet.fullest_node
    held = said.count("scaled-nodes") * each_node
    reasons = {
        "03-nodes": f"{e.accounts:,} x {base.nodes} / {base.accounts:,} is {_exactly(e, base.nodes)} nodes; "
        f"{said.count('scaled-nodes')} hold {held:,}, and {e.accounts - held} accounts have none",
        "04-proxies": f"{base.accounts // base.proxies} accounts an address today and "
        f"{e.accounts // said.count('scaled-proxies')} then: the headroom is spent; in today's ratio",
        "05-domains": f"{base.accounts // base.domains} accounts a domain today and "
        f"{e.accounts // said.count('scaled-domains')} then; in today's ratio",
    }
    quantities = {
        "03-nodes": (grown.nodes, grown.nodes - base.nodes, Component.NODES),
        "04-proxies": (grown.proxies, grown.proxies - base.proxies, Component.PROXIES),
        "05-domains": (grown.domains, grown.domains - base.domains, Component.DOMAINS),
    }
    for name, (count, more, component) in quantities.items():
        claim = f"scaled-{component}"
        cost = grown.components[component] - base.components[component]
        yield finding(name, said[claim], count, reasons[name])
        yield finding(f"{name}-added", said[f"{claim}-added"], more, "more than today")
        yield finding(f"{name}-cost", e.claimed(f"{claim}-cost"), cost, "what that adds a month")
    yield from _headroom(e)
    extra = (grown.total.ratio(e.claimed("scaled-total")) - 1) * 100
    yield finding(
        "06-same-ratio-total",
        e.claimed("scaled-total"),
        grown.total,
        f"nodes, proxies and domains in today's ratios: {extra:.1f} % more than quoted",
    )
    yield finding(
        "06-same-ratio-added", e.claimed("scaled-added"), grown.total - base.total, "what growth adds a month"
    )


def _exactly(e: Evidence, part: int) -> str:
    return f"{Decimal(part * e.accounts) / e.base.accounts:.1f}"


def _headroom(e: Evidence) -> Iterator[Finding]:
    """How many more accounts the proxies carry, today and at the larger size."""
    most = e.said.count("most-accounts-per-proxy")
    for name, accounts, proxies in (
        ("04-headroom", e.fleet.accounts, e.fleet.proxy_count),
        ("04-headroom-scaled", e.accounts, e.said.count("scaled-proxies")),
    ):
        needed = -(-accounts // most)
        yield finding(
            name,
            e.said["proxy-headroom"],
            Decimal((proxies - needed) * 100) / needed,
            f"percent over the need: at {most} accounts an address {accounts:,} need {needed} of {proxies}; "
            "the seed's 20 % is of the limit, and only today's",
            places=0,
        )


def flat_costs(e: Evidence) -> Iterator[Finding]:
    """What the seed keeps flat while accounts grow fourfold."""
    flat = [Component.ORCHESTRATOR, *SERVICES]
    said = sum((e.cost(component) for component in flat), Monthly.zero(e.seed.currency))
    times = Decimal(e.accounts) / e.base.accounts
    monitoring = e.cost(Component.MONITORING) / e.base.domains * e.grown.domains
    yield finding(
        "07-flat-costs",
        said,
        said * times,
        f"orchestrator, monitoring and SMTP hosting stay at {said} for {times:.2f} times the accounts; in "
        f"proportion they are this, and monitoring, which is priced by domain, alone {monitoring}",
    )


def saving(e: Evidence) -> Iterator[Finding]:
    """What scale saves an account, and from where on."""
    said = (1 - e.said["scaled-cost-per-mail"] / e.said["cost-per-mail"]) * 100
    each = e.total / e.base.accounts
    cases = (
        ("10-saving-at-scale", e.rebased, "on the right base"),
        ("10-saving-same-ratio", e.grown.total, "and in today's ratios"),
    )
    for name, total, how in cases:
        yield finding(
            name,
            round(said),
            (1 - (total / e.accounts).ratio(each)) * 100,
            f"percent saved a mail, {how}",
            places=1,
        )
    begins = saving_of(e.fleet, e.seed)
    yield finding(
        "10-saving-from",
        e.said["saving-from"],
        begins.always_from or "never",
        f"accounts from which each is cheaper than today's, for good; at {begins.quoted_from:,} already "
        f"{begins.percent_at_quoted:.1f} % is saved, and {begins.at_most_percent:.1f} % is the most there is",
    )


def loads(e: Evidence) -> Iterator[Finding]:
    """Mails a day by domain, node and proxy, today and in the seed's scaled table."""
    mails = e.said.count("scaled-mails-per-day")
    for name, today, then in (
        ("16-mails-per-domain", e.fleet.domains, e.table.domains),
        ("16-mails-per-node", e.fleet.node_count, e.table.nodes),
        ("16-mails-per-proxy", e.fleet.proxy_count, e.table.proxies),
    ):
        yield finding(
            name,
            e.fleet.mails_per_day // today,
            Decimal(mails) / then,
            "mails a day: today, and at the seed's larger size, though each account sends as many in both",
            places=0,
        )
