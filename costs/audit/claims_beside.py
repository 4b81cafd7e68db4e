"""Findings beside the tables: figures in the seed's prose that its tables, or its other prose, contradict."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costs.alternatives import SEATS
from costs.audit.evidence import Evidence, Finding, finding
from costs.capacity import capacity
from costs.charges import Component
from costs.limits import limits
from costs.pricebook import Kind


def everything(e: Evidence) -> Iterator[Finding]:
    """Findings 19 and up."""
    yield from _orchestration(e)
    yield from _domains_and_seats(e)
    yield from _warmup(e)
    yield from _bandwidth(e)


def _orchestration(e: Evidence) -> Iterator[Finding]:
    n8n, hub = e.line(Kind.SAAS, "n8n").monthly, e.cost(Component.ORCHESTRATOR)
    for name in ("zapier", "make"):
        service = e.line(Kind.SAAS, name)
        yield finding(
            f"19-n8n-against-{name}",
            e.said["saas-factor"],
            service.monthly.ratio(n8n),
            f"times cheaper than {service.provider} at {n8n}; at the orchestrator's {hub} it is "
            f"{service.monthly.ratio(hub):.1f}",
            places=1,
        )
    yield finding(
        "20-failover", e.claimed("failover"), hub, "a second orchestrator, at the price of the first"
    )
    mails = e.fleet.mails_per_day
    yield finding(
        "21-n8n-executions",
        e.said["executions"],
        mails,
        f"executions a day if each mail were one, {Decimal(mails) / e.said['executions']:.0f} times what was "
        "tested: a run has to loop over many",
    )


def _domains_and_seats(e: Evidence) -> Iterator[Finding]:
    bulk = e.line(Kind.QUOTE, "50 domains")
    bought = e.said.count("domains-bought")
    yield finding(
        "22-domains-bought", e.said["domains"], bought, f"domains bought, {e.fleet.domains} in the budget"
    )
    yield finding(
        "22-domains-cost",
        e.cost(Component.DOMAINS),
        bulk.monthly,
        f"{bulk.money} for {bought} is {bulk.money / bought} each; the budget has "
        f"{e.cost(Component.DOMAINS) / e.fleet.domains}",
    )
    seat = max(e.line(Kind.SEAT, name).monthly for name in SEATS)
    yield finding(
        "23-seats-for-all",
        e.claimed("premium-1200"),
        seat * e.fleet.accounts,
        f"{e.fleet.accounts:,} seats at {seat}; {e.claimed('premium-1200').text()} pays for 800",
    )
    tier, proxy = e.said.count("tier-1-proxies"), e.cost(Component.PROXIES) / e.fleet.proxy_count
    yield finding(
        "24-tier-1",
        e.claimed("tier-1-cost"),
        e.cost(Component.PROXIES),
        f"{tier} addresses at {proxy} are {proxy * tier}, right; but {e.fleet.proxy_count} are paid for, and "
        f"{e.fleet.proxy_count - tier} belong to no tier",
    )


def _warmup(e: Evidence) -> Iterator[Finding]:
    days = capacity(e.fleet).warmup
    ramp = sum(1 for day in days if day.per_account < e.fleet.caps.mails_per_account)
    yield finding(
        "25-warmup-days",
        e.said["warmup-days"],
        ramp,
        f"days below full load in the table: week 5 is at full load from day {ramp + 1}",
    )
    runs, most = e.said.count("warmup-workflow-runs"), e.said.count("warmup-workflow-mails")
    yield finding(
        "26-warmup-workflow",
        days[0].per_account,
        runs * most,
        f"mails an account on a day of week 1: hourly from 8:00 to 20:00 is {runs} runs of 3 to {most}",
    )
    worst = max(days, key=lambda day: day.times_published)
    yield finding(
        "27-address-ramp",
        worst.per_node,
        worst.published_ramp,
        f"mails from each new address on day {worst.day}, beside what published ramps allow: "
        f"{worst.times_published:.0f} times",
    )


def _bandwidth(e: Evidence) -> Iterator[Finding]:
    link = capacity(e.fleet).link
    yield finding(
        "28-bandwidth",
        link.quoted_percent,
        link.computed_percent,
        f"percent of {link.link_mbit:,} Mbit/s at {link.mails_per_hour:,} mails an hour of "
        f"{limits()['mail_kb']} kB; the quoted figure needs {link.implied_mail_kb:.0f} kB. That one link "
        f"serves {link.quoted_accounts:,} accounts holds: {link.percent_at_quoted_accounts:.1f} %",
        places=3,
    )
