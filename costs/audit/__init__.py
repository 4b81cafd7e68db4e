"""Every contradiction in the seed document's tables: what it says, what its own figures give, and why."""

from __future__ import annotations

from costs.audit import claims_beside, mails, money, scale
from costs.audit.evidence import Evidence, Finding
from costs.claims import claims
from costs.pricebook import PriceBook

__all__ = ["Finding", "audit"]

SECTIONS = (
    money.totals,
    scale.table,
    scale.flat_costs,
    mails.per_mail,
    scale.saving,
    money.premium_seats,
    money.orchestration,
    money.services,
    mails.per_account,
    scale.loads,
    money.today,
    claims_beside.everything,
)
"""One function a group of findings, in the order of their numbers."""


def audit() -> tuple[Finding, ...]:
    """List every contradiction in the seed's tables, computed from its prices and those found since."""
    evidence = Evidence(claims(), PriceBook.load("seed"), PriceBook.load("current"))
    found = (finding for section in SECTIONS for finding in section(evidence))
    return tuple(sorted(found, key=lambda finding: finding.id[:2]))
