"""Findings in the seed's sums: totals, premium seats, orchestration, services, prices found since."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costs.alternatives import premium, saas
from costs.audit.evidence import Evidence, Finding, finding
from costs.budget import Group, budget
from costs.charges import EVERYTHING, Component, Scope
from costs.money import Yearly
from costs.pricebook import Kind


def totals(e: Evidence) -> Iterator[Finding]:
    """The base total, and the scaled total that stands on it."""
    said, upper = e.claimed("total"), e.claimed("total-upper")
    gap = e.total - said
    infrastructure, accounts = (e.own.subtotals[group] for group in Group)
    yield finding(
        "01-total",
        said,
        e.total,
        f"the lines sum to {infrastructure} and {accounts}; {said} is {gap.text()} low "
        f"({gap.ratio(e.total) * 100:.1f} %), and the range's middle is {(said + upper) / 2}",
    )
    yield finding(
        "02-scaled-total",
        e.claimed("scaled-total"),
        e.rebased,
        f"the increments of {e.table.added.total} were added to {said} instead of {e.total}",
    )


def premium_seats(e: Evidence) -> Iterator[Finding]:
    """The alternative with rented seats."""
    other = premium(e.fleet, e.seed, e.own)
    if other is None:
        return
    said = e.claimed("premium-total")
    yield finding(
        "11-premium-total",
        said,
        other.total,
        f"{said} leaves out {other.infrastructure} of infrastructure that goes on running; its "
        f"{e.claimed('premium-custom')} for mailboxes is the domains and SMTP hosting already counted",
    )
    yield finding(
        "11-premium-ratio",
        (said.ratio(e.claimed("total"))).quantize(Decimal("0.1")),
        other.times_own,
        f"in the same scope the comparison is {other.total.text()} to {e.total.text()}, in times",
        places=1,
    )


def orchestration(e: Evidence) -> Iterator[Finding]:
    """The n8n server beside the orchestrator."""
    said, hub = e.claimed("saas-n8n"), e.cost(Component.ORCHESTRATOR)
    yield finding(
        "12-n8n-on-orchestrator",
        said,
        e.total - e.total,
        f"the budget has an orchestrator for {hub}: n8n on it adds nothing to {e.total}",
    )
    yield finding(
        "12-total-with-n8n-apart",
        e.claimed("total"),
        e.total + said,
        f"if n8n has a server of its own for {said}, no budget line pays for it",
    )
    for service in saas(e.seed, e.own):
        if service.name != "n8n" and service.saving_apart is not None:
            yield finding(
                f"12-saving-{service.name}-apart",
                service.yearly,
                service.saving_apart,
                f"what n8n at {said} saves a year against {service.provider}",
            )
            yield finding(
                f"12-saving-{service.name}-shared",
                service.yearly,
                service.saving_shared,
                f"the same with n8n at the orchestrator's {hub}",
            )


def services(e: Evidence) -> Iterator[Finding]:
    """SMTP hosting, and the two prices of monitoring."""
    hosting, nodes = e.cost(Component.SMTP_HOSTING), e.cost(Component.NODES)
    yield finding(
        "13-smtp-hosting",
        hosting,
        hosting - hosting,
        f"no product is named, and the nodes at {nodes} are the SMTP hosts: it may be counted twice; "
        f"without it the total is {e.total - hosting}",
    )
    said = e.cost(Component.MONITORING)
    toolbox, glock = e.line(Kind.QUOTE, "mxtoolbox"), e.line(Kind.QUOTE, "glockapps")
    both = toolbox.monthly + glock.monthly
    yearly = (Yearly(toolbox.price, e.seed.currency) + Yearly(glock.price, e.seed.currency)).monthly()
    yield finding(
        "14-monitoring",
        said,
        both,
        f"its own prices are {toolbox.money} and {glock.money}",
    )
    yield finding(
        "14-monitoring-both-yearly", said, yearly, "the same if both were yearly prices: neither is it"
    )
    yield finding(
        "14-total-with-monitoring", e.claimed("total"), e.total - said + both, "the total with those prices"
    )


def today(e: Evidence) -> Iterator[Finding]:
    """The fleet at prices found since, and what the seed leaves unsaid about its own."""
    hosting = e.cost(Component.SMTP_HOSTING)
    full = budget(e.fleet, e.current, EVERYTHING)
    lean = budget(e.fleet, e.current, Scope(without=frozenset({Component.PROXIES})))
    proxies, quoted = full.component(Component.PROXIES), e.cost(Component.PROXIES)
    yield finding(
        "17-found-prices",
        e.claimed("total"),
        full.total + hosting,
        f"at prices of {e.current.dated:%B %Y}; a dedicated 4G address is {proxies / e.fleet.proxy_count}, "
        f"{proxies.ratio(quoted):.0f} times {quoted / e.fleet.proxy_count}",
    )
    yield finding(
        "17-found-prices-lean",
        e.claimed("total"),
        lean.total + hosting,
        "the same without proxies, which carry no SMTP, and without paid monitoring",
    )
    yield finding(
        "17-proxies",
        quoted,
        proxies,
        f"{e.fleet.proxy_count} dedicated 4G addresses at the price found",
    )
    yield finding(
        "17-monitoring",
        e.cost(Component.MONITORING),
        full.component(Component.MONITORING),
        f"Delivery Center is priced for 5 domains, there are {e.fleet.domains}; with GlockApps' middle plan",
    )
    yield finding(
        "18-terms",
        None,
        f"{e.current.currency}, {e.current.tax}",
        "the seed states no currency of billing, no tax, no prepayment and no contract period; the current "
        "book does: by the month, and domains by the year in advance",
    )
