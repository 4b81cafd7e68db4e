"""Every load of a fleet beside its limit: accounts, mails, disk, memory, bandwidth, executions, writes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from pydantic import computed_field

from costs.hardware import decimal, demands, mbit
from costs.holdings import Holdings, Rented
from costs.limits import Certainty, Figure, Limits
from costs.money import round_half_up
from costs.shapes import Hundredths, Result, Tenths

SECONDS = 3600
NODES, DOMAINS, PROXIES, ORCHESTRATOR = "nodes", "domains", "proxies", "orchestrator"


class Load(Result):
    """One thing that is bounded.

    Args:
        id: stable name.
        what: what is counted, of what.
        unit: of use and limit.
        use: how much is used where it is fullest.
        limit: how much can be used; None if not known.
        breaks_at: the number of accounts, spread evenly, at which the limit is exceeded if nothing is added.
        bound_to: what has to be added to lift it: `nodes`, `domains`, `proxies`, or the `orchestrator`.
        certainty: how sure the limit is.
        source: where the limit is from.
    """

    id: str
    what: str
    unit: str
    use: Hundredths
    limit: Hundredths | None
    breaks_at: int | None
    bound_to: str
    certainty: Certainty
    source: str

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def margin(self) -> Hundredths | None:
        """What is left of the limit; negative if it is exceeded."""
        return None if self.limit is None else self.limit - self.use

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def headroom_percent(self) -> Tenths | None:
        """What is left, as a share of the limit."""
        return None if self.limit is None else (self.limit - self.use) * 100 / self.limit

    @computed_field  # type: ignore[prop-decorator] # mypy has no decorated properties
    @property
    def growth_percent(self) -> Tenths | None:
        """How much the load may still grow: what is left, as a share of the use."""
        return None if self.limit is None else (self.limit - self.use) * 100 / self.use


def loads(holdings: Holdings, bounds: Limits) -> Iterator[Load]:
    """Every load of a fleet at full load, caps of its own file first, then what the orchestrator carries."""
    yield from _caps(holdings)
    yield from _reputation(holdings, bounds)
    for row in {(row.provider, row.type): row for row in holdings.nodes}.values():
        yield from _server(holdings, row, bounds)
    yield from _orchestrator(holdings, bounds)


def _load(
    name: str, what: str, *, use: Decimal | int, of: Decimal | int, limit: Figure | str, bound_to: str
) -> Load:
    """One load: `use` where `of` accounts of the whole fleet's would make it, spread evenly.

    Where the limit is unknown, its unit stands in its place.
    """
    known = limit if isinstance(limit, Figure) else None
    return Load(
        id=name,
        what=what,
        unit=known.unit if known else str(limit),
        use=Decimal(use),
        limit=known.value if known else None,
        breaks_at=_over(known.value * of / use) if known else None,
        bound_to=bound_to,
        certainty=known.certainty if known else "unknown",
        source=known.source if known else "the provider names none",
    )


def _over(accounts: Decimal) -> int:
    """The first whole number above: of a quotient, whose last digits are noise."""
    return int(round_half_up(accounts, 9)) + 1


def _cap(value: int, unit: str) -> Figure:
    return Figure(value=Decimal(value), unit=unit, certainty="given", source="limits of the fleet file")


def _caps(holdings: Holdings) -> Iterator[Load]:
    """The file's own caps; a fleet of several sizes is full when all its nodes are."""
    caps, each = holdings.caps, holdings.caps.mails_per_account
    whole_fleet = Decimal(caps.accounts) / caps.accounts_per_node
    rows = (
        (
            "accounts-per-node",
            "accounts on a node",
            holdings.fullest_node,
            caps.accounts_per_node,
            "accounts",
        ),
        (
            "mails-per-address",
            "mails from a node's one IPv4",
            holdings.fullest_node * each,
            caps.accounts_per_node * each,
            "mails a day",
        ),
    )
    for name, what, use, cap, unit in rows:
        of = whole_fleet * holdings.fullest_node
        yield _load(name, what, use=use, of=of, limit=_cap(cap, unit), bound_to=NODES)
    yield _load(
        "domains-per-node",
        "domains on a node",
        use=holdings.most_domains,
        of=Decimal(caps.domains) / caps.domains_per_node * holdings.most_domains * holdings.per_domain,
        limit=_cap(caps.domains_per_node, "domains"),
        bound_to=NODES,
    )


def _reputation(holdings: Holdings, bounds: Limits) -> Iterator[Load]:
    each = holdings.caps.mails_per_account
    yield _load(
        "mails-per-domain",
        "mails from a domain",
        use=holdings.fullest_domain * each,
        of=holdings.fullest_domain * holdings.domains,
        limit=bounds.figures["mails_per_domain"],
        bound_to=DOMAINS,
    )
    if holdings.proxy_count:
        proxy, all_of = bounds.figures["mails_per_proxy"], holdings.accounts
        yield _load(
            "accounts-per-proxy",
            "accounts on a proxy",
            use=Decimal(holdings.accounts) / holdings.proxy_count,
            of=all_of,
            limit=proxy.model_copy(update={"value": proxy.value / each, "unit": "accounts"}),
            bound_to=PROXIES,
        )
        yield _load(
            "mails-per-proxy",
            "mails through a proxy",
            use=Decimal(holdings.mails_per_day) / holdings.proxy_count,
            of=all_of,
            limit=proxy,
            bound_to=PROXIES,
        )


def _server(holdings: Holdings, row: Rented, bounds: Limits) -> Iterator[Load]:
    """What the fullest node asks of a server of this type."""
    for demand in demands(row.provider, row.type, holdings.caps.mails_per_account, bounds):
        yield _load(
            f"{row.provider}-{row.type}-{demand.what}".lower().replace(" ", "-"),
            f"{demand.what} of a {row.type}",
            use=decimal(holdings.fullest_node * demand.per_account),
            of=holdings.fullest_node * holdings.node_count,
            limit=demand.limit or demand.unit,
            bound_to=NODES,
        )


def _orchestrator(holdings: Holdings, bounds: Limits) -> Iterator[Load]:
    mails, window = holdings.mails_per_day, bounds["sending_hours"]
    executions = bounds.figures["executions_per_day"]
    left = executions.value - bounds["scheduled_executions"]

    def load(name: str, what: str, use: Decimal, limit: Figure) -> Load:
        return _load(name, what, use=use, of=holdings.accounts, limit=limit, bound_to=ORCHESTRATOR)

    yield load(
        "n8n-executions",
        "n8n executions beside the scheduled",
        mails / bounds["mails_per_execution"],
        executions.model_copy(update={"value": left}),
    )
    yield load(
        "postgresql-writes",
        "PostgreSQL commits",
        mails * bounds["writes_per_mail"] / (window * SECONDS),
        bounds.figures["commits_per_second"],
    )
    yield load(
        "orchestrator-bandwidth",
        "bandwidth of the orchestrator",
        decimal(mbit(mails / Fraction(window), Fraction(bounds["mail_kb"]))),
        bounds.figures["link_mbit"],
    )
    yield load(
        "dns-requests",
        "DNS requests of one apply, in one go",
        holdings.domains * bounds["dns_requests_per_domain"],
        bounds.figures["dns_requests"],
    )
