"""What `outreach apply` builds before it orders anything: no more than its plan puts onto hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import builds
from costs.pricebook import PriceBook
from deploys.plan import Area, Scope
from deploys.planning import draw
from deploys.world import Current
from tests.deploys.fleets import allocation, fleet_text


@pytest.mark.parametrize(
    ("areas", "limit", "services", "built"),
    [
        (tuple(Area), (), "[n8n]", ["tools", "n8n"]),
        (tuple(Area), ("hub",), "[n8n]", ["tools", "n8n"]),
        (tuple(Area), ("n1", "n2"), "[n8n]", ["tools"]),
        (tuple(Area), (), "[]", ["tools"]),
        ((Area.SERVERS, Area.DNS), (), "[n8n]", []),
    ],
)
def test_only_what_goes_onto_the_hosts_of_the_plan_is_built(
    areas: tuple[Area, ...],
    limit: tuple[str, ...],
    services: str,
    built: list[str],
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(extra=f"orchestrator:\n  services: {services}\n"))
    seen: list[str] = []
    monkeypatch.setattr(builds, "build_tools", lambda _release: seen.append("tools"))
    monkeypatch.setattr(builds, "build_n8n", lambda _release: seen.append("n8n"))
    plan = draw(fleet, Current(), Scope(frozenset(areas), limit), PriceBook.load("current", "EUR"), None)
    builds.build_for(plan, fleet)
    assert seen == built
