"""A fleet of 167 domains stays far below the vendors' limits, and a tighter limit is not run into."""

from __future__ import annotations

from tests.deploys.conftest import AREAS, Outreach
from tests.deploys.fleets import fleet_text


def test_167_domains_need_fewer_than_a_thousand_cloudflare_requests(outreach: Outreach) -> None:
    outreach.write(fleet_text(nodes=34, domains=167))
    done = outreach.run("apply", "--only", AREAS, "--yes")
    assert done.returncode == 0, done.stderr
    sent = outreach.emulators.requests("cloudflare")
    # Each zone is made and filled; the infrastructure's 250 records are more than one batch.
    assert len(sent) < 167 * 3 + 20
    outreach.plan(expect=0)
    sent = outreach.emulators.requests("cloudflare")
    assert len(sent) < 1000
    assert not [request for request in sent if request["status"] != 200]


def test_a_tighter_limit_is_waited_for_and_not_run_into(outreach: Outreach) -> None:
    outreach.write(fleet_text(nodes=2, domains=10))
    outreach.emulators.limit("cloudflare", 30, 3)
    outreach.emulators.limit("hetzner", 40, 40)
    outreach.apply()
    for vendor in ("cloudflare", "hetzner", "contabo"):
        refused = [request for request in outreach.emulators.requests(vendor) if request["status"] == 429]
        assert refused == []
