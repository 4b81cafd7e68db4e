"""Which domain lives on which node: pure, the same for the same file, and stable.

Domains with a `node:` are placed first. The others follow in the order of the file, each on the first node,
again in the order of the file, that has room. So a node or an unpinned domain added at the end moves nothing
that was there. Whatever frees room further up (a domain removed, a limit raised, a row grown) may move
unpinned ones; `outreach fleet pin` writes the present homes into the file, and then nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address
from typing import NamedTuple

from inventory.model import Fleet, Node, Provider
from inventory.names import local_part


class Role(StrEnum):
    """What a server is for."""

    NODE = "node"
    ORCHESTRATOR = "orchestrator"


@dataclass(frozen=True, slots=True)
class Server:
    """One server that is or will be rented.

    Args:
        name: one label, unique in the fleet: `n1`.
        fqdn: its host name, HELO, A and PTR: `n1.<infra_domain>`.
        role: node or orchestrator.
        provider: where it is rented.
        type: the provider's own product id or server type.
        location: the provider's own name of the location or region.
        image: the provider's own name of the image.
        term_months: Contabo's contract term in months.
        ipv4: its address, if the file says it.
        max_domains: how many domains it may hold; 0 for the orchestrator.
        max_accounts: how many accounts it may hold; 0 for the orchestrator.
    """

    name: str
    fqdn: str
    role: Role
    provider: Provider
    type: str
    location: str
    image: str
    term_months: int
    ipv4: IPv4Address | None
    max_domains: int
    max_accounts: int


class Account(NamedTuple):
    """One mailbox."""

    address: str
    display_name: str
    domain: str
    node: str


@dataclass(frozen=True, slots=True)
class Home:
    """A domain on its home node.

    Args:
        domain: its name.
        node: its home node's name.
        mailboxes: display name by local part. Domains that take theirs from `accounts.names` share one
            mapping, so a fleet of 100,000 accounts is a few thousand small objects.
    """

    domain: str
    node: str
    mailboxes: Mapping[str, str]

    def accounts(self) -> Iterator[Account]:
        """Its accounts, in the order of the file."""
        for local, display_name in self.mailboxes.items():
            yield Account(f"{local}@{self.domain}", display_name, self.domain, self.node)


class CapacityError(ValueError):
    """Some domains have no home: a pin that does not hold, or no node with room."""


@dataclass(frozen=True)
class Allocation:
    """A fleet with every domain at home."""

    fleet: Fleet
    orchestrator: Server
    nodes: tuple[Server, ...]
    homes: tuple[Home, ...]

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every server: the orchestrator, then the nodes in the order of the file."""
        return (self.orchestrator, *self.nodes)

    @cached_property
    def home_of(self) -> Mapping[str, Home]:
        """Each domain's home, by domain name."""
        return {home.domain: home for home in self.homes}

    @cached_property
    def homes_on(self) -> Mapping[str, tuple[Home, ...]]:
        """The homes on each node, by node name; empty for a node without any."""
        grouped: dict[str, list[Home]] = {node.name: [] for node in self.nodes}
        for home in self.homes:
            grouped[home.node].append(home)
        return {name: tuple(homes) for name, homes in grouped.items()}

    def accounts(self) -> Iterator[Account]:
        """Every account of the fleet, one at a time, domain by domain in the order of the file."""
        for home in self.homes:
            yield from home.accounts()

    @property
    def account_count(self) -> int:
        """How many accounts the fleet has."""
        return sum(len(home.mailboxes) for home in self.homes)


def allocate(fleet: Fleet) -> Allocation:
    """Give every domain its home node.

    Raises:
        CapacityError: if a domain has no room. A fleet that :func:`load_fleet` returned always has room.
    """
    nodes = tuple(expand(fleet))
    sizes = mailboxes(fleet)
    places, homeless = place(fleet, nodes, [len(boxes) for boxes in sizes])
    if homeless:
        names = ", ".join(fleet.domains[index].name for index in homeless[:5])
        raise CapacityError(f"no room for {len(homeless)} of {len(fleet.domains)} domains: {names}")
    return Allocation(
        fleet=fleet,
        orchestrator=_orchestrator(fleet),
        nodes=nodes,
        homes=tuple(
            Home(domain.name, nodes[at].name, boxes)
            for domain, at, boxes in zip(fleet.domains, places, sizes, strict=True)
            if at is not None
        ),
    )


def evacuate(allocation: Allocation, node: str) -> Mapping[str, str | None]:
    """Where each domain of a lost node would go: the first other node with room, None if there is none.

    The domains that live elsewhere stay where they are.

    Args:
        allocation: the fleet as it was.
        node: the lost node's name.

    Raises:
        KeyError: if there is no such node.
    """
    lost = allocation.homes_on[node]
    rooms = [
        _Room(server, len(homes), sum(len(home.mailboxes) for home in homes))
        for server in allocation.nodes
        if server.name != node
        for homes in [allocation.homes_on[server.name]]
    ]
    found: dict[str, str | None] = {}
    for home in lost:
        room = next((room for room in rooms if room.fits(len(home.mailboxes))), None)
        if room is not None:
            room.take(len(home.mailboxes))
        found[home.domain] = room.server.name if room else None
    return found


def expand(fleet: Fleet) -> Iterator[Server]:
    """Every node as a server of its own: a row with `name: n, count: 8` is n1 to n8."""
    for row in fleet.nodes:
        for name in row_names(row):
            yield Server(
                name=name,
                fqdn=f"{name}.{fleet.infra_domain}",
                role=Role.NODE,
                provider=row.provider,
                type=row.type,
                location=row.location,
                image=row.image,
                term_months=row.term_months,
                ipv4=row.ipv4,
                max_domains=row.max_domains or fleet.limits.domains_per_node,
                max_accounts=row.max_accounts or fleet.limits.accounts_per_node,
            )


def row_names(row: Node) -> list[str]:
    """The names of the servers one entry under `nodes:` stands for."""
    return [row.name] if row.count is None else [f"{row.name}{number}" for number in range(1, row.count + 1)]


def mailboxes(fleet: Fleet) -> list[Mapping[str, str]]:
    """Each domain's mailboxes, display name by local part, in the order of the file."""
    generated: dict[int, Mapping[str, str]] = {}

    def first(count: int) -> Mapping[str, str]:
        if count not in generated:
            generated[count] = {local_part(name): name for name in fleet.accounts.names[:count]}
        return generated[count]

    return [
        domain.accounts or first(domain.accounts_per_domain or fleet.accounts.per_domain)
        for domain in fleet.domains
    ]


def place(fleet: Fleet, nodes: Iterable[Server], sizes: list[int]) -> tuple[list[int | None], list[int]]:
    """Place the domains: the index of each one's node (None without room), and the indices of the homeless.

    Args:
        fleet: whose domains are placed.
        nodes: into which.
        sizes: how many accounts each domain has.
    """
    rooms = [_Room(server) for server in nodes]
    index = {room.server.name: at for at, room in enumerate(rooms)}
    places: list[int | None] = [None] * len(sizes)
    free: list[int] = []
    for at, domain in enumerate(fleet.domains):
        if domain.node is None:
            free.append(at)
        elif domain.node in index and rooms[index[domain.node]].fits(sizes[at]):
            places[at] = index[domain.node]
            rooms[index[domain.node]].take(sizes[at])
    # A node without room for the smallest domain left is not looked at again: no nodes times domains.
    smallest = min((sizes[at] for at in free), default=0)
    open_rooms = [at for at, room in enumerate(rooms) if room.fits(smallest)]
    for at in free:
        place_at = next((room for room in open_rooms if rooms[room].fits(sizes[at])), None)
        if place_at is None:
            continue
        places[at] = place_at
        rooms[place_at].take(sizes[at])
        if not rooms[place_at].fits(smallest):
            open_rooms.remove(place_at)
    return places, [at for at, found in enumerate(places) if found is None]


class _Room:
    """What a node still takes."""

    def __init__(self, server: Server, domains: int = 0, accounts: int = 0) -> None:
        self.server = server
        self.domains = server.max_domains - domains
        self.accounts = server.max_accounts - accounts

    def fits(self, accounts: int) -> bool:
        return self.domains > 0 and self.accounts >= accounts

    def take(self, accounts: int) -> None:
        self.domains -= 1
        self.accounts -= accounts


def _orchestrator(fleet: Fleet) -> Server:
    wanted = fleet.orchestrator
    return Server(
        name=wanted.name,
        fqdn=f"{wanted.name}.{fleet.infra_domain}",
        role=Role.ORCHESTRATOR,
        provider=wanted.provider,
        type=wanted.type,
        location=wanted.location,
        image=wanted.image,
        term_months=1,
        ipv4=wanted.ipv4,
        max_domains=0,
        max_accounts=0,
    )
