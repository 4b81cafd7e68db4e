"""The seed document's figures as it quotes them, each with its line: compared with, never a result."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

from costs.holdings import Caps, Holdings, Proxied, Rented
from inventory import WarmupStage

FILE = Path(__file__).parent / "claims.yaml"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_Data):
    """One figure, and the line of the seed document that states it."""

    value: Annotated[Decimal, BeforeValidator(str)]
    quote: str


class WarmupWeek(_Data):
    """One row of the seed's warm-up table.

    Args:
        week: 1 for the first.
        mails: mails an account sends a day.
        recipients: who they go to.
        target_success: the share it expects to be accepted.
        quote: its line.
    """

    week: int
    mails: int
    recipients: str
    target_success: str
    quote: str


class SeedFleet(_Data):
    """The size of the fleet the seed budgets."""

    accounts: Claim
    nodes: Claim
    proxies: Claim
    domains: Claim
    mails_per_account: Claim


class Claims(_Data):
    """Everything the seed states in figures."""

    fleet: SeedFleet
    claims: dict[str, Claim]
    warmup: tuple[WarmupWeek, ...]

    def __getitem__(self, name: str) -> Decimal:
        """The figure it states for `name`."""
        return self.claims[name].value

    def count(self, name: str) -> int:
        """A figure that counts things."""
        return int(self.claims[name].value)

    @property
    def holdings(self) -> Holdings:
        """The fleet it budgets, with the products that stand in the place of those no longer sold."""
        size = {name: int(claim.value) for name, claim in self.fleet}
        accounts, nodes, domains = size["accounts"], size["nodes"], size["domains"]
        return Holdings(
            name="seed",
            orchestrator=Rented("hetzner", "cx33", 1, 1),
            nodes=(Rented("contabo", "V153", 1, nodes),),
            domains=domains,
            accounts=accounts,
            fullest_node=accounts // nodes,
            fullest_domain=accounts // domains,
            most_domains=domains // nodes,
            proxies=Proxied("iproyal", "4g", size["proxies"]),
            caps=Caps(size["mails_per_account"], accounts // nodes, domains // nodes, accounts, domains),
            warmup=tuple(WarmupStage(days=7, mails_per_day=week.mails) for week in self.warmup),
        )

    def describes(self, holdings: Holdings) -> bool:
        """Whether a fleet has the size the seed budgets, so that its sums can be set beside the fleet's."""
        of_seed = self.holdings
        return (of_seed.accounts, of_seed.node_count, of_seed.domains, of_seed.proxy_count) == (
            holdings.accounts,
            holdings.node_count,
            holdings.domains,
            holdings.proxy_count,
        )


@cache
def claims() -> Claims:
    """The figures of the seed document."""
    return Claims.model_validate(yaml.load(FILE.read_text("utf-8"), Loader=yaml.CSafeLoader))
