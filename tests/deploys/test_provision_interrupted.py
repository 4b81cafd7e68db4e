"""Whatever ends an apply, the next one continues: no second order, nothing of others touched."""

from __future__ import annotations

import json
import signal
import time
import uuid
from typing import Any

import pytest
import requests

from tests.deploys.conftest import AREAS, Outreach
from tests.deploys.test_provision_command import records, zone_by_hand

SETTLES = {"OUTREACH_ORDER_SETTLES": "2"}
"""An order that cannot be seen after two seconds was not placed: these vendors are quick."""

ORDER = ("contabo", "POST", "/v1/compute/instances$")
CHANGES = [
    ("hetzner", "POST", "/v1/ssh_keys"),
    ("hetzner", "POST", "/v1/firewalls"),
    ("hetzner", "POST", "/v1/servers$"),
    ("hetzner", "POST", "change_dns_ptr"),
    ("contabo", "POST", "/v1/secrets"),
    ORDER,
    ("contabo", "PUT", "/v1/dns/ptrs"),
    ("cloudflare", "POST", "/zones$"),
    ("cloudflare", "POST", "/dns_records/batch"),
]
"""One request of every kind that changes something."""


@pytest.fixture
def foreign(outreach: Outreach) -> dict[str, dict[str, Any]]:
    """Records that somebody made by hand, in a zone of ours and elsewhere."""
    zone_by_hand(outreach, "d1.example", {"name": "@", "type": "A", "content": "203.0.113.5", "ttl": 1})
    zone_by_hand(outreach, "other.example", {"name": "@", "type": "TXT", "content": '"x"', "ttl": 300})
    outreach.env |= SETTLES
    return records(outreach)


def contabo(outreach: Outreach, method: str, path: str, body: dict[str, Any]) -> None:
    """A request of the vendor's customer."""
    env = outreach.emulators.env
    form = {
        "grant_type": "password",
        "client_id": env["CONTABO_CLIENT_ID"],
        "client_secret": env["CONTABO_CLIENT_SECRET"],
        "username": env["CONTABO_API_USER"],
        "password": env["CONTABO_API_PASSWORD"],
    }
    token = requests.post(env["CONTABO_TOKEN_URL"], data=form, timeout=30).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "x-request-id": str(uuid.uuid4())}
    answer = requests.request(method, env["CONTABO_API_URL"] + path, json=body, headers=headers, timeout=30)
    assert answer.ok, answer.text


def converged(outreach: Outreach, foreign: dict[str, dict[str, Any]]) -> None:
    """All is as the file says, each server was bought once, and what others made is as it was."""
    assert outreach.plan(expect=0)["changes"] == []
    bought = [row["displayName"] for row in outreach.emulators.state("contabo")["instance"]]
    assert sorted(bought) == ["n1.proof.outreach", "n2.proof.outreach"]
    assert [row["name"] for row in outreach.emulators.state("hetzner")["server"]] == ["hub.infra.example"]
    there = records(outreach)
    assert {key: there[key] for key in foreign} == foreign
    values = [(row["name"], row["type"], row["content"]) for row in there.values()]
    assert len(values) == len(set(values))


def struck(outreach: Outreach, vendor: str, method: str, path: str) -> None:
    """Wait until a request hangs in its fault."""
    part = path.rstrip("$")
    deadline = time.monotonic() + 60
    while not any(entry["fault"] == "hang" for entry in outreach.emulators.requests(vendor, method, part)):
        assert time.monotonic() < deadline, "no request met the fault"
        time.sleep(0.02)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("request_kind", CHANGES, ids=" ".join)
def test_an_apply_killed_in_the_middle_of_a_change_is_continued(
    outreach: Outreach, foreign: dict[str, dict[str, Any]], request_kind: tuple[str, str, str], when: str
) -> None:
    vendor, method, path = request_kind
    outreach.emulators.fault(vendor, kind="hang", method=method, path=path, when=when, count=None)
    first = outreach.start("apply", "--only", AREAS, "--yes")
    struck(outreach, vendor, method, path)
    first.kill()
    first.communicate()
    outreach.emulators.clear_faults(vendor)
    outreach.apply()
    converged(outreach, foreign)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_apply_at_once_with_one_line(outreach: Outreach, number: signal.Signals) -> None:
    outreach.emulators.fault("contabo", kind="hang", method="POST", path=ORDER[2], count=None)
    running = outreach.start("apply", "--only", AREAS, "--yes")
    struck(outreach, *ORDER)
    running.send_signal(number)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 1
    assert err.splitlines()[-1] == "outreach: interrupted; run apply again, it continues where it stopped"


def test_an_apply_killed_again_and_again_gets_there(
    outreach: Outreach, foreign: dict[str, dict[str, Any]]
) -> None:
    for after in (0.9, 1.1, 1.3, 1.6, 2.0, 2.5):
        running = outreach.start("apply", "--only", AREAS, "--yes")
        time.sleep(after)
        running.kill()
        running.communicate()
    outreach.apply()
    converged(outreach, foreign)


LOST: list[dict[str, Any]] = [
    {"kind": "error", "when": "after", "status": 503},
    {"kind": "reset", "when": "after"},
    {"kind": "malformed"},
    {"kind": "error", "when": "before", "status": 503},
    {"kind": "rate_limit", "retry_after": 1},
]
SUBTLE = (ORDER, ("hetzner", "POST", "/v1/servers$"), ("cloudflare", "POST", "/dns_records/batch"))
"""Where every kind of loss is tried; elsewhere the first two show that nothing is done twice."""


@pytest.mark.parametrize(
    ("request_kind", "fault"),
    [(kind, fault) for kind in CHANGES for fault in (LOST if kind in SUBTLE else LOST[:2])],
    ids=lambda value: (
        " ".join(value) if isinstance(value, tuple) else f"{value['kind']} {value.get('when', '')}"
    ),
)
def test_an_answer_lost_on_the_way_is_no_reason_to_do_it_twice(
    outreach: Outreach,
    foreign: dict[str, dict[str, Any]],
    request_kind: tuple[str, str, str],
    fault: dict[str, Any],
) -> None:
    vendor, method, path = request_kind
    outreach.emulators.fault(vendor, method=method, path=path, **fault)
    unseen = fault == {"kind": "error", "when": "before", "status": 503} and request_kind == ORDER
    # An order that may have been placed is not repeated in the same run, however long it cannot be seen.
    outreach.apply(expect=1 if unseen else 0)
    if unseen:
        outreach.apply()
    converged(outreach, foreign)


def test_an_order_that_shows_up_late_is_not_placed_again(
    outreach: Outreach, foreign: dict[str, dict[str, Any]]
) -> None:
    # An order of n1 was sent a moment ago, its sender died, and the vendor has not got round to it.
    journal = outreach.file.with_suffix(".orders.json")
    journal.write_text(json.dumps({"n1.proof.outreach": time.time()}))
    running = outreach.start("apply", "--only", AREAS, "--yes", OUTREACH_ORDER_SETTLES="60")
    looks = 0
    while looks < 3:
        sent = outreach.emulators.requests("contabo", "GET", "/v1/compute/instances")
        looks = sum("displayName=n1.proof.outreach" in request["query"] for request in sent)
        assert running.poll() is None
    contabo(outreach, "POST", "/v1/compute/instances", {"displayName": "n1.proof.outreach", "period": 1})
    running.communicate()
    converged(outreach, foreign)
    assert json.loads(journal.read_text()) == {}


def test_a_host_that_fails_leaves_the_others_whole_and_says_so(outreach: Outreach) -> None:
    outreach.emulators.fault("contabo", kind="job_failure", method="POST", path=ORDER[2])
    done = outreach.run("apply", "--only", AREAS, "--yes")
    assert done.returncode == 1
    broken = next(
        row["displayName"].split(".")[0]
        for row in outreach.emulators.state("contabo")["instance"]
        if row["displayName"].split(".")[0] not in _pools(outreach)
    )
    whole = {"n1": "n2", "n2": "n1"}[broken]
    table = {
        line.split()[0]: line for line in done.stdout.splitlines() if line.split()[:1] in (["n1"], ["n2"])
    }
    assert "failed" in table[broken]
    assert "failed" not in table[whole]
    assert done.stderr.splitlines()[-1].startswith(f"outreach: contabo: {broken}: Provisioning failed")
    again = outreach.run("apply", "--only", AREAS, "--yes")
    assert again.returncode == 1
    assert len(outreach.emulators.state("contabo")["instance"]) == 2


def _pools(outreach: Outreach) -> set[str]:
    """The hosts whose addresses stand in the SPF pool."""
    world = outreach.emulators.world()
    pool = next(r["content"] for r in records(outreach).values() if r["name"] == "_pool-a.infra.example")
    return {host for host, found in world["hosts"].items() if f"ip4:{found['ipv4']} " in pool}
