"""What a fleet holds that costs money or carries load: servers, domains, accounts, proxies; pure counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from inventory import Allocation, WarmupStage

FULL_MONTH = 30
"""Sending days in a month at full load, unless told otherwise."""

WORKING_MONTH = 22
"""Sending days in a month without weekends."""


@dataclass(frozen=True, slots=True)
class Rented:
    """Servers of one type that are paid alike.

    Args:
        provider: `hetzner` or `contabo`.
        type: the provider's own server type or product id.
        term_months: contract term in months.
        count: how many of them.
    """

    provider: str
    type: str
    term_months: int
    count: int


@dataclass(frozen=True, slots=True)
class Proxied:
    """Proxies of one kind from one provider."""

    provider: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Caps:
    """The fleet file's own caps.

    Args:
        mails_per_account: mails an account may send a day, once warm.
        accounts_per_node: accounts a node may hold.
        domains_per_node: domains a node may hold.
        accounts: accounts all nodes may hold together; a node may have a cap of its own.
        domains: domains all nodes may hold together.
    """

    mails_per_account: int
    accounts_per_node: int
    domains_per_node: int
    accounts: int
    domains: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """A fleet as its costs and loads see it.

    Args:
        name: the fleet's name.
        orchestrator: the one server that plans and watches.
        nodes: the sending nodes in the order of the file, rows of equal ones together.
        domains: how many sending domains.
        accounts: how many mailboxes.
        fullest_node: accounts on the node that holds most.
        fullest_domain: accounts on the domain that holds most.
        most_domains: domains on the node that holds most.
        proxies: proxies, if any.
        caps: the fleet file's own caps.
        warmup: the fleet file's warm-up plan.
    """

    name: str
    orchestrator: Rented
    nodes: tuple[Rented, ...]
    domains: int
    accounts: int
    fullest_node: int
    fullest_domain: int
    most_domains: int
    proxies: Proxied | None
    caps: Caps
    warmup: tuple[WarmupStage, ...]

    @classmethod
    def of(cls, allocation: Allocation) -> Self:
        """Count what an allocated fleet holds."""
        fleet = allocation.fleet
        homes = [[len(home.mailboxes) for home in on] for on in allocation.homes_on.values()]
        hub = allocation.orchestrator
        return cls(
            name=fleet.name,
            orchestrator=Rented(hub.provider, hub.type, hub.term_months, 1),
            nodes=_together([(node.provider, node.type, node.term_months) for node in allocation.nodes]),
            domains=len(fleet.domains),
            accounts=allocation.account_count,
            fullest_node=max(sum(on) for on in homes),
            fullest_domain=max(size for on in homes for size in on),
            most_domains=max(len(on) for on in homes),
            proxies=Proxied(wanted.provider, wanted.kind, wanted.count)
            if (wanted := fleet.proxies)
            else None,
            caps=Caps(
                mails_per_account=fleet.limits.mails_per_account_per_day,
                accounts_per_node=max(node.max_accounts for node in allocation.nodes),
                domains_per_node=max(node.max_domains for node in allocation.nodes),
                accounts=sum(node.max_accounts for node in allocation.nodes),
                domains=sum(node.max_domains for node in allocation.nodes),
            ),
            warmup=fleet.warmup,
        )

    @property
    def node_count(self) -> int:
        """How many sending nodes."""
        return sum(row.count for row in self.nodes)

    @property
    def proxy_count(self) -> int:
        """How many proxies."""
        return self.proxies.count if self.proxies else 0

    @property
    def per_domain(self) -> Decimal:
        """Accounts of a domain, on average."""
        return Decimal(self.accounts) / self.domains

    @property
    def mails_per_day(self) -> int:
        """Mails a day of the warm fleet."""
        return self.accounts * self.caps.mails_per_account

    def grown(self, accounts: int) -> Holdings:
        """The fleet at another size with today's ratios: each part in proportion, rounded up to whole ones.

        Nodes are added in the order of the file, again and again, so a fleet of several sizes keeps its mix;
        accounts are spread evenly.

        Args:
            accounts: mailboxes to hold, at least 1.
        """
        if accounts < 1:
            raise ValueError(f"{accounts} accounts: a fleet has at least 1")
        wanted = _share(self.node_count, accounts, self.accounts)
        laps, rest = divmod(wanted, self.node_count)
        rows, left = [], rest
        for row in self.nodes:
            extra = min(row.count, left)
            left -= extra
            rows.append(replace(row, count=row.count * laps + extra))
        domains = _share(self.domains, accounts, self.accounts)
        return replace(
            self,
            accounts=accounts,
            nodes=tuple(row for row in rows if row.count),
            domains=domains,
            fullest_node=_share(1, accounts, wanted),
            fullest_domain=_share(1, accounts, domains),
            most_domains=_share(1, domains, wanted),
            caps=replace(
                self.caps,
                accounts=self.caps.accounts * wanted // self.node_count,
                domains=self.caps.domains * wanted // self.node_count,
            ),
            proxies=self.proxies
            and replace(self.proxies, count=_share(self.proxies.count, accounts, self.accounts)),
        )


def _share(part: int, accounts: int, of: int) -> int:
    return -(-part * accounts // of)


def _together(servers: list[tuple[str, str, int]]) -> tuple[Rented, ...]:
    """Equal servers as one row, rows in the order of first appearance."""
    return tuple(Rented(*server, count) for server, count in Counter(servers).items())
