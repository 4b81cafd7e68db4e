"""One command's view of a fleet: read everything once, draw the plan, carry it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from costs.pricebook import PriceBook
from deploys.apply import Apply, Nodes, Outcome
from deploys.connect import Providers
from deploys.pins import forget
from deploys.plan import Action, Kind, Plan, Scope
from deploys.planning import draw, facts_of
from deploys.saved import PlanError, checksum
from deploys.wanted import identity
from deploys.world import Current
from inventory import Allocation


@dataclass
class Session:
    """A fleet, its providers and its hosts.

    Args:
        allocation: the fleet.
        scope: what is planned.
        book: prices.
        providers: of the fleet.
        nodes: its hosts; None where they are out of scope.
        known_hosts: the file their keys are pinned in.
    """

    allocation: Allocation
    scope: Scope
    book: PriceBook
    providers: Providers
    nodes: Nodes | None
    known_hosts: Path

    def plan(self) -> tuple[Plan, Current]:
        """Read the providers once, look at the hosts once, and draw up the plan.

        Raises:
            ProviderError: a provider cannot be read.
            ValueError: the fleet cannot be planned, in one line.
        """
        current = self.providers.read(self.allocation)
        addresses = facts_of(self.allocation, current, None).addresses
        view = self.nodes.look(addresses) if self.nodes else None
        return draw(self.allocation, current, self.scope, self.book, view), current

    def apply(
        self, plan: Plan, current: Current, on_outcome: Callable[[Outcome | str], None]
    ) -> list[Outcome]:
        """Carry out a plan that :meth:`plan` has just drawn up.

        Raises:
            PlanError: it orders servers that nobody could log in to.
        """
        orders = [c for c in plan.changes if c.kind is Kind.SERVER and c.action is Action.CREATE]
        if orders and not self.allocation.fleet.operators.ssh_keys:
            raise PlanError(
                "operators.ssh_keys is empty and OUTREACH_SSH_KEY is not set: nobody could log in"
            )
        # Before the orders: after a crash nobody would know that the pins are of servers long gone.
        moving = [c for c in plan.changes if c.kind is Kind.SERVER and c.action is not Action.UPDATE]
        forget(self.known_hosts, {identity(self.allocation).fqdn(change.object) for change in moving})
        addresses = facts_of(self.allocation, current, None).addresses
        return Apply(self.allocation, addresses, self.providers, self.nodes, on_outcome).run(plan)


def unmoved(saved: Plan, now: Plan) -> None:
    """Make sure that a saved plan is what would be planned now.

    Raises:
        PlanError: the fleet file or the world moved since; the message names the first difference.
    """
    if checksum(saved) == checksum(now):
        return
    before, after = {str(c): c for c in saved.changes}, {str(c): c for c in now.changes}
    moved = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    what = f"{min(moved)} differs" if moved else "something of the fleet was changed there"
    raise PlanError(f"the world or the fleet file moved since the plan was saved ({what}): plan again")
