"""The cheapest fleet that carries so many accounts: node type, node count, domain count; found exactly.

The search is exhaustive where it has to be, and proved where it is not:

- A node carries at most `C` accounts and `K` domains, a domain at most `A` accounts. So `n` nodes with `D`
  domains carry most when the domains are spread evenly: `min(C, k * A)` is concave in a node's domains `k`.
- For one type and one `n` the cost rises with `D`, and more domains never carry less. So the fewest domains
  that carry the accounts are the cheapest, and a binary search finds them.
- Fewer than `ceil(N / min(C, K * A))` nodes carry too little. Once the domains have reached their least
  possible number, `ceil(N / min(A, C))`, more nodes save nothing. Every count between is tried, up to where
  the nodes and that least number of domains alone cost as much as the best fleet found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from costs.hardware import demands
from costs.holdings import Holdings
from costs.limits import Limits, limits
from costs.money import Monthly
from costs.pricebook import Kind, PriceBook
from costs.shapes import MonthlyCents, PerUnit, Result


class NoChoiceError(ValueError):
    """No node type of the price book can carry the accounts, or none has a known price."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node type that can be rented.

    Args:
        provider: who rents it out.
        type: the provider's own name.
        monthly: of one node with its address.
        carries: the most accounts a node of it may hold, by each limit of its own hardware or provider.
    """

    provider: str
    type: str
    monthly: Monthly
    carries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits every node and domain is under; None where it is lifted.

    Args:
        accounts_per_node: accounts a node may hold, whatever its type.
        domains_per_node: domains a node may hold.
        accounts_per_domain: accounts a domain may hold.
        lifted: limits of node types that are left out of account.
    """

    accounts_per_node: int | None
    domains_per_node: int | None
    accounts_per_domain: int | None
    lifted: frozenset[str] = frozenset()


class Share(Result):
    """Nodes that hold equally many domains.

    Args:
        nodes: how many nodes.
        domains: domains on each.
        accounts: accounts on all of them, spread evenly.
    """

    nodes: int
    domains: int
    accounts: int

    @property
    def per_node(self) -> int:
        """Accounts on the fullest of them."""
        return -(-self.accounts // self.nodes)

    @property
    def per_domain(self) -> int:
        """Accounts on the fullest domain of the fullest."""
        return -(-self.per_node // self.domains)


class Choice(Result):
    """The cheapest fleet of one node type.

    Args:
        provider: who rents the nodes out.
        type: the provider's own name of the type.
        nodes: how many.
        domains: how many.
        shares: how domains and accounts lie on the nodes.
        accounts_per_node: on the fullest node.
        accounts_per_domain: on the fullest domain.
        nodes_monthly: the nodes with their addresses.
        domains_monthly: the domains.
        total: both; what does not depend on the choice is left out.
        per_account: of the total.
        tried_from: the least node count that can carry the accounts.
        tried_to: the last node count that was tried: none above can be cheaper.
    """

    provider: str
    type: str
    nodes: int
    domains: int
    shares: tuple[Share, ...]
    accounts_per_node: int
    accounts_per_domain: int
    nodes_monthly: MonthlyCents
    domains_monthly: MonthlyCents
    total: MonthlyCents
    per_account: PerUnit
    tried_from: int
    tried_to: int


class LimitCost(Result):
    """What a limit costs.

    Args:
        limit: its name.
        value: what it allows; None where that differs by type.
        one_more_saves: what one more of it would save; None where it is not counted in ones.
        without_saves: what would be saved without it.
    """

    limit: str
    value: int | None
    one_more_saves: MonthlyCents | None
    without_saves: MonthlyCents


class Optimum(Result):
    """The cheapest fleet for a number of accounts.

    Args:
        accounts: mailboxes to carry.
        book: the price book's name.
        dated: the day of the book.
        currency: ISO 4217 code of every amount.
        best: the cheapest of all.
        runner_up: the cheapest of any other node type; None if there is no other.
        others: the cheapest of each further type, in order of cost.
        limits: what each limit costs.
    """

    accounts: int
    book: str
    dated: str
    currency: str
    best: Choice
    runner_up: Choice | None
    others: tuple[Choice, ...]
    limits: tuple[LimitCost, ...]


def optimise(holdings: Holdings, book: PriceBook, accounts: int, bounds: Limits | None = None) -> Optimum:
    """Find the cheapest fleet that carries `accounts` mailboxes at full load.

    Args:
        holdings: the fleet whose caps hold.
        book: the prices; its server types are the candidates.
        accounts: mailboxes to carry, at least 1.
        bounds: the other limits; as shipped, if None.

    Raises:
        NoChoiceError: no type has a known price, or none can carry an account.
        ValueError: fewer than 1 account.
    """
    if accounts < 1:
        raise ValueError(f"{accounts} accounts: a fleet has at least 1")
    bounds = bounds or limits()
    each = holdings.caps.mails_per_account
    caps = Caps(
        holdings.caps.accounts_per_node,
        holdings.caps.domains_per_node,
        int(bounds["mails_per_domain"] / each),
    )
    candidates = tuple(_candidates(book, bounds, each))
    domain = book.domain_monthly()
    if domain is None or not candidates:
        missing = "server" if domain is not None else "domain"
        raise NoChoiceError(f"price book {book.name!r} has no {book.currency} price for any {missing}")
    ranked = _ranked(candidates, domain, accounts, caps)
    if not ranked:
        raise NoChoiceError("no node type can carry a single account under these limits")
    return Optimum(
        accounts=accounts,
        book=book.name,
        dated=book.dated.isoformat(),
        currency=book.currency,
        best=ranked[0],
        runner_up=ranked[1] if len(ranked) > 1 else None,
        others=tuple(ranked[2:]),
        limits=tuple(_limit_costs(candidates, domain, accounts, caps, ranked[0].total)),
    )


def cheapest(candidate: Candidate, domain: Monthly, accounts: int, caps: Caps) -> Choice | None:
    """The cheapest fleet of one node type; None if a node of it carries nothing.

    Args:
        candidate: the type.
        domain: what a domain costs.
        accounts: mailboxes to carry.
        caps: the limits.
    """
    own = [most for name, most in candidate.carries.items() if name not in caps.lifted]
    node = min([accounts, *own, *([caps.accounts_per_node] if caps.accounts_per_node else [])])
    each = min(node, caps.accounts_per_domain or accounts)
    most = caps.domains_per_node or accounts
    if node < 1:
        return None
    first, least = -(-accounts // min(node, most * each)), -(-accounts // each)
    best, nodes = None, first - 1
    while True:
        nodes += 1
        domains = _fewest_domains(accounts, nodes, node, each, most)
        cost = candidate.monthly * nodes + domain * domains
        if best is None or cost < best[0]:
            best = (cost, nodes, domains)
        if domains == least or best[0] <= candidate.monthly * (nodes + 1) + domain * least:
            break
    nodes_monthly, domains_monthly = candidate.monthly * best[1], domain * best[2]
    shares = _shares(accounts, best[1], best[2], node, each)
    return Choice(
        provider=candidate.provider,
        type=candidate.type,
        nodes=best[1],
        domains=best[2],
        shares=shares,
        accounts_per_node=max(share.per_node for share in shares),
        accounts_per_domain=max(share.per_domain for share in shares),
        nodes_monthly=nodes_monthly.rounded(),
        domains_monthly=domains_monthly.rounded(),
        total=nodes_monthly.rounded() + domains_monthly.rounded(),
        per_account=(nodes_monthly + domains_monthly) / accounts,
        tried_from=first,
        tried_to=nodes,
    )


def carried(nodes: int, domains: int, node: int, each: int) -> int:
    """The most accounts that nodes and domains carry together: with the domains spread evenly.

    Args:
        nodes: how many nodes.
        domains: how many domains.
        node: the most accounts on a node.
        each: the most accounts on a domain.
    """
    on_each, more = divmod(domains, nodes)
    return more * min(node, (on_each + 1) * each) + (nodes - more) * min(node, on_each * each)


def _fewest_domains(accounts: int, nodes: int, node: int, each: int, most: int) -> int:
    low, high = -(-accounts // each), nodes * most
    while low < high:
        middle = (low + high) // 2
        if carried(nodes, middle, node, each) >= accounts:
            high = middle
        else:
            low = middle + 1
    return low


def _shares(accounts: int, nodes: int, domains: int, node: int, each: int) -> tuple[Share, ...]:
    """Lay domains and accounts on nodes as evenly as the caps allow.

    Nodes with a domain less carry their even share, or all they can; the others carry the rest, which is no
    more than they can, since all together can carry it with domains spread this way.
    """
    on_each, more = divmod(domains, nodes)
    fewer = nodes - more
    on_fewer = min(fewer * min(node, on_each * each), accounts * fewer // nodes)
    shares = ((more, on_each + 1, accounts - on_fewer), (fewer, on_each, on_fewer))
    return tuple(Share(nodes=some, domains=held, accounts=on) for some, held, on in shares if some)


def _candidates(book: PriceBook, bounds: Limits, mails: int) -> Iterator[Candidate]:
    for line in book.priced(Kind.SERVER):
        address = book.ipv4_monthly(line.provider)
        if line.term_months != 1 or address is None:
            continue
        carries = {
            demand.what: demand.carries
            for name in line.names
            for demand in demands(line.provider, name, mails, bounds)
            if demand.carries is not None
        }
        yield Candidate(line.provider, line.names[0], line.monthly + address, carries)


def _ranked(candidates: tuple[Candidate, ...], domain: Monthly, accounts: int, caps: Caps) -> list[Choice]:
    found = (cheapest(candidate, domain, accounts, caps) for candidate in candidates)
    known = [choice for choice in found if choice is not None]
    return sorted(known, key=lambda choice: (choice.total.amount, choice.nodes, choice.provider, choice.type))


def _limit_costs(
    candidates: tuple[Candidate, ...], domain: Monthly, accounts: int, caps: Caps, best: Monthly
) -> Iterator[LimitCost]:
    """What relaxing each limit alone saves: by one more, and altogether."""

    def saved(relaxed: Caps) -> Monthly:
        return best - _ranked(candidates, domain, accounts, relaxed)[0].total

    by_name: dict[str, tuple[int | None, Callable[[int | None], Caps]]] = {
        "accounts per node": (caps.accounts_per_node, lambda cap: replace(caps, accounts_per_node=cap)),
        "domains per node": (caps.domains_per_node, lambda cap: replace(caps, domains_per_node=cap)),
        "accounts per domain": (caps.accounts_per_domain, lambda cap: replace(caps, accounts_per_domain=cap)),
    }
    for name, (value, relaxed) in by_name.items():
        if value is not None:
            yield LimitCost(
                limit=name,
                value=value,
                one_more_saves=saved(relaxed(value + 1)),
                without_saves=saved(relaxed(None)),
            )
    for name in sorted({what for candidate in candidates for what in candidate.carries}):
        yield LimitCost(
            limit=name,
            value=None,
            one_more_saves=None,
            without_saves=saved(replace(caps, lifted=frozenset({name}))),
        )
