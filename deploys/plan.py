"""A plan is a value: the ordered changes between the world as read and the fleet as wanted.

It knows no provider. :mod:`deploys.difference` finds the changes, :mod:`deploys.render` prints the plan,
:mod:`deploys.saved` writes and reads it as JSON, :mod:`deploys.apply` carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from costs.money import Monthly
from deploys.symbolic import Symbolic, Unknown, unknowns

Value = str | int | tuple[str, ...] | Symbolic
Fields = Mapping[str, Value]


class Action(StrEnum):
    """What happens to the object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Area(StrEnum):
    """The parts of a fleet that can be planned and applied alone."""

    SERVERS = "servers"
    DNS = "dns"
    NODES = "nodes"


class Kind(StrEnum):
    """What the object is."""

    SSH_KEY = "ssh_key"
    FIREWALL = "firewall"
    SERVER = "server"
    PTR = "ptr"
    ZONE = "zone"
    RECORD = "record"
    NODE = "node"

    @property
    def area(self) -> Area:
        """The area this kind belongs to."""
        if self is Kind.NODE:
            return Area.NODES
        return Area.DNS if self in (Kind.ZONE, Kind.RECORD) else Area.SERVERS


class Consent(StrEnum):
    """Why a change needs a person's consent: it costs money or cannot be undone."""

    ORDER = "order"
    CANCEL = "cancel"
    DELETE_SERVER = "delete_server"
    DELETE_RECORD = "delete_record"
    REROUTE = "reroute"


@dataclass(frozen=True)
class Cost:
    """One line of money that a change adds each month, or saves if negative.

    Args:
        label: what is paid for.
        monthly: None if no price is known. Unknown is not nothing.
    """

    label: str
    monthly: Monthly | None


@dataclass(frozen=True)
class Change:
    """One thing to do to one object.

    Args:
        action: create, update or delete.
        kind: what the object is.
        provider: who holds it: `hetzner`, `contabo`, `cloudflare`, or `ssh` for a node's own configuration.
        group: what it is shown under: a host's label, a zone's name, or the fleet.
        object: its name, unique within kind and provider.
        before: its fields as read; None for a create.
        after: its fields as wanted, perhaps with holes; None for a delete.
        costs: the money it adds each month; empty if it changes none.
        consent: why it needs a person's consent; None if it does not.
        hosts: the labels of the hosts it concerns; empty if it concerns the fleet.
    """

    action: Action
    kind: Kind
    provider: str
    group: str
    object: str
    before: Fields | None = None
    after: Fields | None = None
    costs: tuple[Cost, ...] = ()
    consent: Consent | None = None
    hosts: tuple[str, ...] = ()

    @property
    def unknowns(self) -> Iterator[Unknown]:
        """The holes in what is wanted."""
        for value in (self.after or {}).values():
            yield from unknowns(value)

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.object}"


@dataclass(frozen=True)
class Finding:
    """Something a person must settle: a conflict with what others made, or drift that we never repair.

    Args:
        group: the host or zone it concerns.
        message: one line: what, where, what to do.
    """

    group: str
    message: str


@dataclass(frozen=True)
class Scope:
    """Which part of the fleet a plan covers.

    Args:
        only: its areas.
        limit: labels of its hosts; empty means all.
        adopt: records made by others that may be taken over, as `zone/name/type` with `@` for the apex.
    """

    only: frozenset[Area] = frozenset(Area)
    limit: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()

    def covers(self, change: Change) -> bool:
        """Whether `change` is within the scope; a limit leaves out no key or pool its hosts need."""
        if not self.limit:
            inside = True
        elif change.hosts:
            inside = not set(self.limit).isdisjoint(change.hosts)
        else:
            inside = change.action is not Action.DELETE
        return change.kind.area in self.only and inside


@dataclass(frozen=True)
class Plan:
    """What would change, and everything a person needs to decide.

    Args:
        fleet: the fleet's name.
        scope: what was looked at.
        world: digest of the world as read, see :mod:`deploys.saved`.
        changes: in the order they are applied.
        waiting: changes out of reach in this scope, since their holes are filled by an area outside it.
        problems: what a person must settle first, such as something that others made where ours must go.
            Nothing of that host or zone is planned.
        drift: where the file and the world differ in what is never changed, such as a server's type.
        notes: what is left for a person to do elsewhere; no part of the checksum.
    """

    fleet: str
    scope: Scope
    world: str
    changes: tuple[Change, ...]
    waiting: tuple[Change, ...] = ()
    problems: tuple[Finding, ...] = ()
    drift: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, action: Action) -> int:
        """How many changes of this action there are."""
        return sum(change.action is action for change in self.changes)

    @property
    def pending(self) -> bool:
        """Whether the world differs from the file in anything within the scope."""
        return bool(self.changes or self.drift)

    @property
    def monthly(self) -> tuple[Monthly, ...]:
        """The money all changes add each month, one sum a currency: rates are nobody's business here."""
        return sums(cost for change in self.changes for cost in change.costs)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What has no known price, so that the sum is honest about what it leaves out."""
        return tuple(
            dict.fromkeys(
                cost.label for change in self.changes for cost in change.costs if cost.monthly is None
            )
        )


def sums(costs: Iterable[Cost]) -> tuple[Monthly, ...]:
    """Sums of the known prices, one a currency, in order of currency code."""
    totals: dict[str, Monthly] = {}
    for cost in costs:
        if cost.monthly is not None:
            currency = cost.monthly.currency
            totals[currency] = totals.get(currency, Monthly.zero(currency)) + cost.monthly
    return tuple(totals[currency] for currency in sorted(totals))
