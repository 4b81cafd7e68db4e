"""Reports that the orchestrator's REST service hands out. Pure.

The deploy writes what follows from the fleet file alone: the month's cost. What must be looked at, such as
the fleet's status, is put beside it by whoever looks.
"""

from __future__ import annotations

from costs.budget import budget
from costs.holdings import Holdings
from costs.pricebook import PriceBook
from deploys.operations.configuration import File, Service
from inventory import allocate
from inventory.model import Fleet
from inventory.places import REPORTS

_COSTS = "/etc/outreach/costs.json"


def reports(fleet: Fleet) -> Service:
    """The folder, and the fleet's budget in it.

    Args:
        fleet: the fleet file.

    Raises:
        PriceBookError: its price book cannot be read.
    """
    found = budget(Holdings.of(allocate(fleet)), PriceBook.load(fleet.prices))
    # A copy, whose time is when it was written; the time of a file below /etc is the archive's.
    put = f"install -d -m 755 {REPORTS}\ninstall -m 644 {_COSTS} {REPORTS}/costs.json"
    return Service(
        name="reports",
        files=(File(_COSTS, found.model_dump_json(indent=1) + "\n"),),
        reload=put,
        restart=put,
        health=f"cmp -s {_COSTS} {REPORTS}/costs.json",
    )
