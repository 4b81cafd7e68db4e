"""`outreach plan` and `outreach apply` against vendors that answer as the real ones do."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.deploys.conftest import AREAS, Outreach
from tests.deploys.fleets import fleet_text, public_key
from tests.emulators import ACCOUNT

SHIPPED = Path(__file__).parents[2] / "fleet.yaml"


def kinds(plan: dict[str, Any]) -> Counter[str]:
    return Counter(change["kind"] for change in plan["changes"])


def cloudflare(outreach: Outreach, method: str, path: str, body: Any = None) -> Any:
    """A person at the vendor's own interface."""
    env = outreach.emulators.env
    headers = {"Authorization": f"Bearer {env['CLOUDFLARE_API_TOKEN']}"}
    answer = requests.request(
        method, env["CLOUDFLARE_BASE_URL"] + path, json=body, headers=headers, timeout=30
    )
    assert answer.ok, answer.text
    return answer.json()["result"]


def zone_by_hand(outreach: Outreach, name: str, *records: dict[str, Any]) -> list[str]:
    """A zone somebody made, with records; the records' ids."""
    zone = cloudflare(outreach, "POST", "/zones", {"name": name, "account": {"id": ACCOUNT}, "type": "full"})
    path = f"/zones/{zone['id']}/dns_records"
    return [cloudflare(outreach, "POST", path, record)["id"] for record in records]


def records(outreach: Outreach) -> dict[str, dict[str, Any]]:
    return {record["id"]: record for record in outreach.emulators.state("cloudflare")["record"]}


def test_the_plan_of_the_shipped_fleet_for_empty_accounts_is_complete(outreach: Outreach) -> None:
    text = SHIPPED.read_text().replace("0123456789abcdef0123456789abcdef", ACCOUNT)
    outreach.write(text.replace("ssh_keys: []", f'ssh_keys: ["{public_key("anna")}"]'))
    plan = outreach.plan(expect=2)
    # Infrastructure: 5 of its own, 3 for the hub, 2 for each of 8 nodes, 1 pool, a consent for each of
    # 40 domains; a domain: MX, SPF, DMARC, TLS-RPT, CAA, and DKIM once its node has made the key.
    assert kinds(plan) == {
        "ssh_key": 2,
        "firewall": 1,
        "server": 9,
        "ptr": 9,
        "zone": 41,
        "record": 5 + 3 + 2 * 8 + 1 + 40 + 5 * 40,
    }
    assert len(plan["waiting"]) == 40
    assert plan["summary"]["create"] == 327
    # 9.99 and 0.60 for the hub and its address, 6.60 for each of 8 nodes.
    assert plan["summary"]["monthly"] == [{"amount": "63.39", "currency": "USD"}]
    assert plan["summary"]["unpriced"] == []


def test_after_apply_the_plan_is_empty_and_a_second_apply_changes_nothing(outreach: Outreach) -> None:
    first = outreach.apply()
    assert (first["failed"], first["skipped"]) == (0, 0)
    assert outreach.plan(expect=0)["changes"] == []
    for vendor in ("hetzner", "contabo", "cloudflare"):
        outreach.emulators.forget_requests(vendor)
    assert outreach.apply()["done"] == 0
    sent = [
        request
        for vendor in ("hetzner", "contabo", "cloudflare")
        for request in outreach.emulators.requests(vendor)
    ]
    assert {request["method"] for request in sent if "/token" not in request["path"]} == {"GET"}


def test_what_was_applied_is_what_the_world_serves(outreach: Outreach) -> None:
    outreach.apply()
    world = outreach.emulators.world()
    addresses = {host: found["ipv4"] for host, found in world["hosts"].items()}
    assert set(addresses) == {"hub", "n1", "n2"}
    assert {host: world["ptrs"][ipv4] for host, ipv4 in addresses.items()} == {
        host: f"{host}.infra.example" for host in addresses
    }
    served = {
        (record["name"], record["type"]): record["rdata"]
        for zone in world["zones"].values()
        for record in zone
    }
    assert served["n2.infra.example", "A"] == addresses["n2"]
    assert (
        served["_pool-a.infra.example", "TXT"] == f'"v=spf1 ip4:{addresses["n1"]} ip4:{addresses["n2"]} -all"'
    )
    assert served["d1.example", "MX"] == "10 n1.infra.example."
    assert served["hub.infra.example", "MX"] == "0 ."
    keys = {tuple(found["ssh_keys"]) for found in world["hosts"].values()}
    assert keys == {(public_key("anna").rpartition(" ")[0],)}


def test_a_saved_plan_is_applied_exactly(outreach: Outreach, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    outreach.plan("--out", str(saved), expect=2)
    done = outreach.run("apply", "--plan", str(saved), "--yes")
    assert done.returncode == 0, done.stderr
    assert outreach.plan(expect=0)["changes"] == []


def test_a_saved_plan_is_refused_once_the_world_moved(outreach: Outreach, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    outreach.plan("--out", str(saved), expect=2)
    outreach.apply("--limit", "n1")
    before = outreach.emulators.state("contabo")["instance"]
    done = outreach.run("apply", "--plan", str(saved), "--yes")
    assert done.returncode == 1
    assert done.stderr.startswith("outreach: the world or the fleet file moved since the plan was saved")
    assert done.stderr.count("\n") == 1
    assert outreach.emulators.state("contabo")["instance"] == before


def test_a_saved_plan_is_refused_once_the_file_changed(outreach: Outreach, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    outreach.plan("--out", str(saved), expect=2)
    outreach.write(fleet_text(nodes=2, domains=5))
    done = outreach.run("apply", "--plan", str(saved), "--yes")
    assert done.returncode == 1
    assert "plan again" in done.stderr
    assert not outreach.emulators.requests("contabo", "POST", "/v1/compute/instances")


def test_without_consent_nothing_is_bought(outreach: Outreach) -> None:
    done = outreach.run("apply", "--only", AREAS)
    assert done.returncode == 1
    assert done.stderr == (
        "outreach: this plan needs consent to: order 3 servers. Pass --yes, or run it on a terminal\n"
    )
    assert not outreach.emulators.world()["hosts"]


@pytest.mark.parametrize(("typed", "status"), [("order 3 servers", 0), ("yes", 1), ("", 1)])
def test_on_a_terminal_consent_is_typed_out(outreach: Outreach, typed: str, status: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from cli import main; main()", "apply", "--only", AREAS]
    env = {**os.environ, **outreach.emulators.env, "OUTREACH_FLEET": str(outreach.file)}
    process = subprocess.Popen(
        command, env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    os.write(ours, typed.encode() + b"\n")
    _, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == status, err
    assert "order 3 servers" in err
    assert bool(outreach.emulators.world()["hosts"]) is (status == 0)


def test_changes_that_cost_nothing_and_break_nothing_need_no_consent(outreach: Outreach) -> None:
    outreach.apply()
    outreach.write(fleet_text(nodes=2, domains=4).replace("dns:\n", "dns:\n  dmarc_policy: quarantine\n"))
    done = outreach.run("apply", "--only", AREAS)
    assert done.returncode == 0, done.stderr
    assert "Apply: 4 done, 0 failed, 0 skipped" in done.stdout


def test_what_others_made_is_untouched_all_along(outreach: Outreach) -> None:
    mine = zone_by_hand(
        outreach,
        "d1.example",
        {"name": "@", "type": "A", "content": "203.0.113.5", "ttl": 1, "proxied": True},
        {"name": "@", "type": "TXT", "content": '"google-site-verification=abc"', "ttl": 1},
        {"name": "www", "type": "CNAME", "content": "d1.example", "ttl": 300},
    )
    zone_by_hand(
        outreach, "private.example", {"name": "@", "type": "MX", "content": "mx.x.example", "priority": 5}
    )
    before = records(outreach)
    outreach.apply()
    outreach.write(fleet_text(nodes=1, domains=2))
    outreach.apply()
    after = records(outreach)
    assert {key: after[key] for key in before} == before
    assert set(mine) <= set(after)


def test_a_record_made_by_hand_in_our_place_stops_its_zone_alone(outreach: Outreach) -> None:
    (theirs,) = zone_by_hand(
        outreach,
        "d2.example",
        {"name": "@", "type": "TXT", "content": '"v=spf1 include:x.example ~all"', "ttl": 1},
    )
    done = outreach.run("apply", "--only", AREAS, "--yes")
    assert done.returncode == 1
    complaint = done.stderr.splitlines()[-1]
    assert complaint.startswith(
        "outreach: d2.example: @ TXT 'v=spf1 include:x.example ~all' was made by others"
    )
    assert "--adopt d2.example/@/TXT" in complaint
    there = records(outreach)
    assert there[theirs]["content"] == '"v=spf1 include:x.example ~all"'
    assert [record for record in there.values() if record["name"].endswith("d2.example")] == [there[theirs]]
    assert any(record["name"] == "d3.example" for record in there.values())


def test_an_adopted_record_becomes_ours(outreach: Outreach) -> None:
    (theirs,) = zone_by_hand(
        outreach, "d2.example", {"name": "@", "type": "TXT", "content": '"v=spf1 ~all"', "ttl": 1}
    )
    outreach.apply("--adopt", "d2.example/@/TXT")
    assert records(outreach)[theirs]["content"] == '"v=spf1 include:_pool-a.infra.example -all"'
    assert outreach.plan(expect=0)["changes"] == []


def test_a_zone_of_another_account_fails_alone_and_by_name(outreach: Outreach) -> None:
    outreach.emulators.foreign_zone("d3.example")
    done = outreach.run("apply", "--only", AREAS, "--yes")
    assert done.returncode == 1
    assert "cloudflare: d3.example: the zone is in an account that this token cannot see" in done.stderr
    assert any(record["name"] == "d4.example" for record in records(outreach).values())


def test_a_server_of_others_with_our_name_is_named_and_kept(outreach: Outreach) -> None:
    env = outreach.emulators.env
    body = {"name": "hub.infra.example", "server_type": "cx23", "image": "debian-13", "location": "fsn1"}
    answer = requests.post(
        f"{env['HCLOUD_ENDPOINT']}/servers",
        json=body,
        headers={"Authorization": f"Bearer {env['HCLOUD_TOKEN']}"},
        timeout=30,
    )
    assert answer.ok
    done = outreach.run("apply", "--only", AREAS, "--yes")
    assert done.returncode == 1
    assert "outreach: hub: hetzner has a server of this name that outreach did not make" in done.stderr
    assert [server["server_type"]["name"] for server in outreach.emulators.state("hetzner")["server"]] == [
        "cx23"
    ]


def test_a_node_and_a_domain_that_leave_the_file_leave_the_world(outreach: Outreach) -> None:
    outreach.write(fleet_text(nodes=2, domains=6))
    outreach.apply()
    outreach.write(fleet_text(nodes=1, domains=5))
    plan = outreach.plan(expect=2)
    deleted = [change["object"] for change in plan["changes"] if change["action"] == "delete"]
    assert "n2" in deleted
    assert "d6.example @ MX 10 n2.infra.example" in deleted
    assert "infra.example n2 A " in "".join(deleted)
    outreach.apply()
    assert outreach.plan(expect=0)["changes"] == []
    leaving = [
        row["displayName"] for row in outreach.emulators.state("contabo")["instance"] if row["cancelDate"]
    ]
    assert leaving == ["n2.proof.outreach"]
    assert not [record for record in records(outreach).values() if record["name"].endswith("d6.example")]
    assert not [
        name for name in (r["name"] for r in records(outreach).values()) if "d6.example._report" in name
    ]


def test_another_type_in_the_file_is_drift_that_plan_reports_and_apply_leaves(outreach: Outreach) -> None:
    outreach.apply()
    outreach.write(fleet_text(nodes=2, domains=4, type="V154"))
    plan = outreach.plan(expect=2)
    assert plan["changes"] == []
    assert [found["group"] for found in plan["drift"]] == ["n1", "n2"]
    before = outreach.emulators.state("contabo")["instance"]
    outreach.apply()
    assert outreach.emulators.state("contabo")["instance"] == before


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("HCLOUD_TOKEN", "outreach: hetzner: "),
        ("CLOUDFLARE_API_TOKEN", "outreach: cloudflare: zones: the token in CLOUDFLARE_API_TOKEN is refused"),
        ("CONTABO_API_PASSWORD", "outreach: contabo: token: the credentials in CONTABO_* are refused"),
    ],
)
def test_a_wrong_token_is_one_line_that_names_it_and_holds_no_secret(
    outreach: Outreach, variable: str, named: str
) -> None:
    done = outreach.run("plan", "--only", AREAS, **{variable: "wrong-secret"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(named)
    assert done.stderr.count("\n") == 1
    assert "wrong-secret" not in done.stderr


@pytest.mark.parametrize("variable", ["HCLOUD_TOKEN", "CLOUDFLARE_API_TOKEN", "CONTABO_CLIENT_ID"])
def test_a_missing_token_is_one_line_that_names_it(outreach: Outreach, variable: str) -> None:
    done = outreach.run("plan", "--only", AREAS, **{variable: ""})
    assert done.returncode == 1
    assert done.stderr.startswith(f"outreach: {variable} is not set")
    assert done.stderr.count("\n") == 1


def test_an_expired_contabo_token_is_renewed_in_passing(outreach: Outreach) -> None:
    outreach.emulators.fault("contabo", kind="expired_token", path="/v1/compute/instances", method="GET")
    outreach.plan(expect=2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("plan", "--only", "servers,mail"), "--only 'mail': there are servers, dns, nodes"),
        (("plan", "--limit", "n9"), "--limit n9: the fleet has no such host"),
        (("plan", "--adopt", "a.example"), "--adopt a.example: give ZONE/NAME/TYPE"),
        (("apply", "--plan", "/nonexistent.json"), "/nonexistent.json cannot be read"),
    ],
)
def test_a_wrong_argument_is_one_line(outreach: Outreach, arguments: tuple[str, ...], named: str) -> None:
    done = outreach.run(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"outreach: {named}")
    assert done.stderr.count("\n") == 1


def test_a_vendor_that_is_down_is_one_line(outreach: Outreach) -> None:
    done = outreach.run("plan", "--only", "servers", HCLOUD_ENDPOINT="http://127.0.0.1:1/v1")
    assert done.returncode == 1
    assert done.stderr == "outreach: hetzner: servers: the connection failed: Connection refused\n"


def test_a_second_apply_at_the_same_time_is_refused(outreach: Outreach) -> None:
    fault = outreach.emulators.fault("contabo", kind="hang", method="GET", path="/v1/secrets", seconds=30)
    first = outreach.start("apply", "--only", AREAS, "--yes")
    while not outreach.emulators.requests("contabo", path="/v1/secrets"):
        assert first.poll() is None
    second = outreach.run("apply", "--only", AREAS, "--yes")
    assert second.returncode == 1
    assert second.stderr.startswith("outreach: another apply of this fleet is running")
    first.kill()
    first.communicate()
    assert fault


def test_the_formats_agree(outreach: Outreach) -> None:
    text = outreach.run("plan", "--only", AREAS)
    shown = outreach.run("plan", "--only", AREAS, "--format", "markdown")
    parsed = json.loads(outreach.run("plan", "--only", AREAS, "--format", "json").stdout)
    assert text.returncode == shown.returncode == 2
    total = text.stdout.splitlines()[-1]
    assert total == f"Plan: {parsed['summary']['create']} to add, 0 to change, 0 to delete; +$23.79/month"
    assert f"**{total}**" in shown.stdout
    assert text.stderr == shown.stderr == ""
