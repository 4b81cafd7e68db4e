"""What the fleet costs at another size: in today's ratios, and as the seed quotes it where it does."""

from __future__ import annotations

from decimal import Decimal

from costs.budget import budget
from costs.charges import BY_DEFAULT, Component, Scope
from costs.claims import Claims, claims
from costs.holdings import FULL_MONTH, Holdings
from costs.marginal import Marginal, Saving, Step, marginal, saving, steps
from costs.money import MailsPerDay, Monthly
from costs.pricebook import PriceBook
from costs.shapes import MonthlyCents, PerThousand, PerUnit, Result

R10 = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
CURVE = (*(number * 10**power for power in range(4) for number in R10), 1_000_000)
"""Sizes of the curve, in accounts: the preferred numbers of ISO 3 (R10) from 100 to 1,000,000."""


class Size(Result):
    """The fleet at one size.

    Args:
        accounts: mailboxes.
        mails_per_day: what they send at full load.
        nodes: sending nodes.
        proxies: proxies.
        domains: sending domains.
        components: what each component costs.
        total: their sum.
        per_account: the total for one account.
        per_1000_mails: the total for 1,000 mails at full load, 30 days.
    """

    accounts: int
    mails_per_day: int
    nodes: int
    proxies: int
    domains: int
    components: dict[Component, MonthlyCents]
    total: MonthlyCents
    per_account: PerUnit
    per_1000_mails: PerThousand


class Growth(Result):
    """What one size has more than another.

    Args:
        nodes: more nodes.
        nodes_monthly: their cost.
        proxies: more proxies.
        proxies_monthly: their cost.
        domains: more domains.
        domains_monthly: their cost.
        total: all that is added, other components included.
    """

    nodes: int
    nodes_monthly: MonthlyCents
    proxies: int
    proxies_monthly: MonthlyCents
    domains: int
    domains_monthly: MonthlyCents
    total: MonthlyCents


class Quoted(Result):
    """The seed's own table for this size: its quantities at its prices, on top of its own total.

    Args:
        base: the total it starts from.
        nodes: its nodes.
        proxies: its proxies.
        domains: its domains.
        added: what it adds.
        total: its sum.
    """

    base: MonthlyCents
    nodes: int
    proxies: int
    domains: int
    added: Growth
    total: MonthlyCents


class Scaling(Result):
    """What the fleet costs at another size.

    Args:
        fleet: the fleet's name.
        book: the price book's name.
        dated: the day of the book.
        currency: ISO 4217 code of every amount.
        base: the fleet as it is.
        computed: the fleet at the size asked for, in today's ratios.
        added: what that adds.
        quoted: what the seed quotes for this size; None where it quotes none.
        steps: what is bought in pieces, and after how many accounts.
        marginal: what the next account costs at the size asked for.
        saving: from which size on accounts are cheaper than today.
        curve: from 100 to 1,000,000 accounts.
    """

    fleet: str
    book: str
    dated: str
    currency: str
    base: Size
    computed: Size
    added: Growth
    quoted: Quoted | None
    steps: tuple[Step, ...]
    marginal: Marginal
    saving: Saving
    curve: tuple[Size, ...]


def scaling(holdings: Holdings, book: PriceBook, accounts: int, scope: Scope = BY_DEFAULT) -> Scaling:
    """Compute the fleet at another size.

    Args:
        holdings: the fleet as it is, whose ratios hold at every size.
        book: the prices.
        accounts: mailboxes at the size asked for, at least 1.
        scope: which components are covered.

    Raises:
        UnknownPriceError: a price in it is unknown.
        NothingToPayError: nothing in it costs anything.
        ValueError: fewer than 1 account.
    """
    base, computed = size(holdings, book, scope), size(holdings.grown(accounts), book, scope)
    return Scaling(
        fleet=holdings.name,
        book=book.name,
        dated=book.dated.isoformat(),
        currency=book.currency,
        base=base,
        computed=computed,
        added=growth(base, computed),
        quoted=quoted(holdings, book, accounts),
        steps=steps(holdings, book, scope),
        marginal=marginal(holdings, book, accounts, scope),
        saving=saving(holdings, book, scope),
        curve=tuple(size(holdings.grown(number), book, scope) for number in CURVE),
    )


def size(holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT) -> Size:
    """What a fleet costs, as one point of the curve."""
    costs = budget(holdings, book, scope)
    mails = MailsPerDay(holdings.mails_per_day).over(FULL_MONTH)
    covered = dict.fromkeys(line.component for line in costs.lines)
    return Size(
        accounts=holdings.accounts,
        mails_per_day=holdings.mails_per_day,
        nodes=holdings.node_count,
        proxies=holdings.proxy_count,
        domains=holdings.domains,
        components={component: costs.component(component) for component in covered},
        total=costs.total,
        per_account=costs.total / holdings.accounts,
        per_1000_mails=costs.total.per(mails) * 1000,
    )


def staircase(
    holdings: Holdings, book: PriceBook, scope: Scope = BY_DEFAULT
) -> tuple[tuple[int, Decimal], ...]:
    """The curve with its steps, for a chart: accounts, and the cost of 1,000 mails.

    Below four times the fleet's size each node or domain bought is two points, the last size before it and
    the first after; above, steps are too fine to be seen.
    """
    parts = {part for part in (holdings.node_count, holdings.domains) if part}
    near = min(4 * holdings.accounts, CURVE[-1])
    bought = {piece * holdings.accounts // part for part in parts for piece in range(1, 4 * part + 1)}
    least = min(CURVE[0], holdings.accounts)
    stairs = {number + after for number in bought for after in (0, 1) if least <= number < near}
    points = (size(holdings.grown(number), book, scope) for number in sorted({least, *CURVE, *stairs}))
    return tuple((point.accounts, point.per_1000_mails.amount) for point in points)


def growth(base: Size, larger: Size) -> Growth:
    """What `larger` has more than `base`."""
    nothing = Monthly.zero(base.total.currency)

    def more(component: Component) -> Monthly:
        return larger.components.get(component, nothing) - base.components.get(component, nothing)

    return Growth(
        nodes=larger.nodes - base.nodes,
        nodes_monthly=more(Component.NODES),
        proxies=larger.proxies - base.proxies,
        proxies_monthly=more(Component.PROXIES),
        domains=larger.domains - base.domains,
        domains_monthly=more(Component.DOMAINS),
        total=larger.total - base.total,
    )


def quoted(holdings: Holdings, book: PriceBook, accounts: int) -> Quoted | None:
    """The seed's table, made anew from its quantities and its prices; None for what it does not quote."""
    said = claims()
    if book.name != "seed" or accounts != said["scaled-accounts"] or not said.describes(holdings):
        return None
    row = holdings.nodes[0]
    node = book.server_monthly(row.provider, row.type, row.term_months)
    proxy = book.proxy_monthly(wanted.provider, wanted.kind) if (wanted := holdings.proxies) else None
    domain = book.domain_monthly()
    if node is None or proxy is None or domain is None:
        return None
    return _quoted(said, holdings, node, proxy, domain)


def _quoted(said: Claims, holdings: Holdings, node: Monthly, proxy: Monthly, domain: Monthly) -> Quoted:
    nodes = said.count("scaled-nodes") - holdings.node_count
    proxies = said.count("scaled-proxies") - holdings.proxy_count
    domains = said.count("scaled-domains") - holdings.domains
    base = Monthly(said["total"], node.currency)
    added = node * nodes + proxy * proxies + domain * domains
    return Quoted(
        base=base,
        nodes=said.count("scaled-nodes"),
        proxies=said.count("scaled-proxies"),
        domains=said.count("scaled-domains"),
        added=Growth(
            nodes=nodes,
            nodes_monthly=node * nodes,
            proxies=proxies,
            proxies_monthly=proxy * proxies,
            domains=domains,
            domains_monthly=domain * domains,
            total=added,
        ),
        total=base + added,
    )
