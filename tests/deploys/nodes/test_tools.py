"""The project's own tools on real hosts: installed, switched, taken back; who asks meanwhile is answered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploys.tools.release import read_release
from tests.deploys.nodes.conftest import ADDRESSES, REPOSITORY, Fleet
from tests.deploys.nodes.releases import checkout

pytestmark = pytest.mark.lab

# Asks every 20 ms, on a connection of its own each time as n8n does, until its standard input ends.
CLIENT = """
import http.client, json, ssl, sys, threading, time
address = sys.argv[1]
known = json.load(open("/etc/outreach/nodes.json"))
key = next(node["key"] for node in known["nodes"] if node["name"] == sys.argv[2])
trust = ssl.create_default_context(cafile=known["ca"])
asked, wrong, waited, versions = 0, [], 0.0, set()
def ask(number):
    global waited
    began = time.monotonic()
    try:
        connection = http.client.HTTPSConnection(address, 8025, timeout=60, context=trust)
        if number % 8:
            connection.request("GET", "/health")
        else:
            body = json.dumps({"emails": ["no address"]})
            headers = {"X-API-Key": key, "Content-Type": "application/json"}
            connection.request("POST", "/validate", body, headers)
        response = connection.getresponse()
        said = json.loads(response.read())
        if response.status != 200:
            wrong.append(f"{response.status} {said}")
        elif number % 8:
            versions.add(said["version"])
    except Exception as error:
        wrong.append(f"{type(error).__name__} {error}")
    waited = max(waited, time.monotonic() - began)
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
threads = []
while not done.wait(0.03):  # an eighth with a key: what waits through a slow switch comes within its burst
    threads.append(threading.Thread(target=ask, args=(asked,)))
    threads[-1].start()
    asked += 1
for thread in threads:
    thread.join()
print(json.dumps({"asked": asked, "wrong": wrong[:5], "waited": waited, "versions": sorted(versions)}))
"""


class Asked(dict[str, Any]):
    """What the client saw; empty until it has ended."""


@contextmanager
def asking(fleet: Fleet, name: str) -> Iterator[Asked]:
    """The orchestrator asks a node all the while."""
    seen = Asked()
    argv = fleet.lab.ssh_command(
        "hub", ["python3", "-c", f"'{CLIENT.replace(chr(39), chr(34))}'", ADDRESSES[name], name]
    )
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin
        time.sleep(1)
        yield seen
        time.sleep(1)
        out, _ = client.communicate(timeout=90)
    seen.update(json.loads(out))


@pytest.fixture(scope="session")
def tooled(converged: Fleet) -> Fleet:
    """The fleet with the checkout's own release running, whatever tests before this one left."""
    reports = converged.operate("converge", *map(converged.host, ADDRESSES))
    assert [reports[name]["error"] for name in ADDRESSES] == [None, None, None]
    return converged


@pytest.fixture
def pushed(tooled: Fleet, tmp_path: Path) -> Iterator[Any]:
    """Push another release onto nodes; afterwards the checkout's own is back."""

    def push(name: str, *nodes: str) -> Any:
        place = checkout(tmp_path, name)
        reports = tooled.operate("converge", *map(tooled.host, nodes), RELEASE_CHECKOUT=str(place))
        return read_release(place).version, [reports[node] for node in nodes]

    yield push
    back = tooled.operate("converge", tooled.host("n1"), tooled.host("n2"))
    assert [back["n1"]["error"], back["n2"]["error"]] == [None, None]
    assert {version(tooled, name) for name in ("n1", "n2")} == {OWN}


OWN = read_release().version


def version(fleet: Fleet, name: str) -> str:
    """The version that answers on a node."""
    url = f"https://{ADDRESSES[name]}:8025/health"
    said = fleet.sh(name, f"curl -s --cacert /etc/outreach/ca.crt {url}")
    return str(json.loads(said)["version"]) if said else ""


def releases(fleet: Fleet, name: str) -> set[str]:
    return set(fleet.sh(name, "ls -A /opt/outreach").split()) - {"current", "previous"}


def one_to_go_back_to(fleet: Fleet, name: str) -> str:
    """The release that stands as the one before."""
    return fleet.sh(name, "readlink /opt/outreach/previous || true")


def test_both_units_run_confined_as_their_own_user(tooled: Fleet) -> None:
    for unit in ("outreach-api", "outreach-notifier"):
        assert tooled.sh("n1", f"systemctl is-active {unit}; systemctl is-enabled {unit}").split() == [
            "active",
            "enabled",
        ]
        assert tooled.sh("n1", f"ps -o user= -p $(systemctl show -p MainPID --value {unit})") == "outreach"
        exposure = tooled.sh("n1", f"systemd-analyze security --no-pager {unit} | tail -n 1").split()
        assert float(exposure[exposure.index(f"{unit}.service:") + 1]) <= 3.0


def test_the_port_is_open_to_the_orchestrator_alone(tooled: Fleet) -> None:
    probe = "timeout 2 bash -c '</dev/tcp/198.18.2.1/8025' && echo open || echo closed"
    assert tooled.sh("hub", probe) == "open"
    assert tooled.sh("n2", probe) == "closed"
    assert tooled.sh("stranger", probe) == "closed"


@pytest.mark.parametrize(
    ("user", "expected"),
    [("outreach", "open"), ("postfix", "open"), ("nobody", "closed"), ("root", "closed")],
)
def test_only_the_validators_user_and_postfix_reach_port_25(tooled: Fleet, user: str, expected: str) -> None:
    connect = "import socket; socket.create_connection(('198.19.0.20', 25), 2)"
    probe = f'runuser -u {user} -- python3 -c "{connect}" 2>/dev/null && echo open || echo closed'
    assert tooled.sh("n1", probe) == expected


def test_keys_are_for_root_and_the_services_user_alone(tooled: Fleet) -> None:
    modes = tooled.sh(
        "n1",
        "cd /etc/outreach; stat -c '%n %a %U:%G' api-keys.toml api.key telegram_bot_token telegram_chat_id",
    )
    assert modes.splitlines() == [
        "api-keys.toml 640 root:outreach",
        "api.key 640 root:outreach",
        "telegram_bot_token 600 root:root",
        "telegram_chat_id 600 root:root",
    ]
    assert tooled.sh("hub", "stat -c '%a %U:%G' /etc/outreach/nodes.json") == "640 root:outreach"


def test_the_orchestrator_has_the_commands_and_serves_its_own_programs_on_loopback_alone(
    tooled: Fleet,
) -> None:
    assert "MAILBOX_NOT_FOUND" in tooled.sh("hub", "validator explain '550 5.1.1 User unknown'")
    units = "outreach-api outreach-notifier outreach-coordinator nats-server"
    assert tooled.sh("hub", f"systemctl is-active {units}").split() == ["active"] * 4
    assert tooled.sh("hub", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8025/health") == "200"
    probe = "timeout 2 bash -c '</dev/tcp/198.18.1.1/8025' && echo open || echo closed"
    assert tooled.sh("n1", probe) == "closed"


def test_an_upgrade_fails_no_request_and_keeps_the_release_before(tooled: Fleet, pushed: Any) -> None:
    with asking(tooled, "n1") as seen:
        new, (report,) = pushed("next", "n1")
    assert report["error"] is None
    assert f"tools: install release {new}" in report["changes"]
    assert seen["wrong"] == []
    assert seen["asked"] > 50
    assert seen["versions"] == sorted([OWN, new])
    assert releases(tooled, "n1") == {OWN, new}
    assert one_to_go_back_to(tooled, "n1") == OWN


@pytest.mark.parametrize(
    ("name", "outcome", "said"),
    [
        ("unfit", "refused, nothing changed", "no_such_room"),
        ("dying", "the old files are back and the service is as it was", "dies"),
        ("wrong", "the old files are back and the service is as it was", "0.0.0 answers instead"),
        ("worse", "the old files are back and the service is as it was", "its age shows"),
        ("crashing", "the old files are back and the service is as it was", "the doctor is out"),
    ],
)
def test_a_broken_release_is_taken_back_and_no_request_fails(
    tooled: Fleet, pushed: Any, name: str, outcome: str, said: str
) -> None:
    before = one_to_go_back_to(tooled, "n1")
    with asking(tooled, "n1") as seen:
        _, (report,) = pushed(name, "n1")
    assert outcome in report["error"]
    assert said in report["error"]
    assert seen["wrong"] == []
    assert seen["asked"] > 50
    assert version(tooled, "n1") == OWN
    assert one_to_go_back_to(tooled, "n1") == before
    assert tooled.operate("preview", tooled.host("n1"))["n1"]["status"] == "unchanged"


def test_the_switch_stops_at_the_first_host_that_fails(tooled: Fleet, pushed: Any) -> None:
    started = tooled.sh("n2", "systemctl show -p ActiveEnterTimestampMonotonic outreach-api")
    _, reports = pushed("dying", "n1", "n2")
    errors = sorted(str(report["error"]) for report in reports)
    assert "the service dies" in errors[0]
    assert "left as it was, since n" in errors[1]
    assert {version(tooled, name) for name in ("n1", "n2")} == {OWN}
    spared = "n2" if "left as it was" in str(reports[1]["error"]) else "n1"
    if spared == "n2":
        assert tooled.sh("n2", "systemctl show -p ActiveEnterTimestampMonotonic outreach-api") == started


def test_a_power_cut_in_mid_installation_leaves_no_half_release(tooled: Fleet, tmp_path: Path) -> None:
    place = checkout(tmp_path, "next")
    new = read_release(place).version
    operator = subprocess.Popen(
        tooled.command([sys.executable, "-m", "tests.deploys.nodes.driver", "converge"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**tooled.environment, "RELEASE_CHECKOUT": str(place)},
        cwd=REPOSITORY,
        text=True,
    )
    assert operator.stdin
    operator.stdin.write(json.dumps([tooled.host("n2")]))
    operator.stdin.close()
    begun = f"[ -e /opt/outreach/.work/{new}/bin/python ]"
    half = f"for _ in $(seq 600); do {begun} && exit; sleep 0.05; done; exit 1"
    tooled.lab.run("n2", ["bash", "-c", half])
    tooled.lab.power_off("n2")
    operator.send_signal(signal.SIGKILL)
    operator.wait()
    tooled.boot("n2")
    tooled.operate("learn", tooled.host("n2"))
    assert new not in releases(tooled, "n2")
    up = "for _ in $(seq 100); do systemctl -q is-active outreach-api && exit; sleep 0.1; done; exit 1"
    tooled.lab.run("n2", ["bash", "-c", up])
    assert version(tooled, "n2") == OWN
    assert tooled.operate("converge", tooled.host("n2"), RELEASE_CHECKOUT=str(place))["n2"]["error"] is None
    assert version(tooled, "n2") == new
    assert releases(tooled, "n2") == {OWN, new}
    assert tooled.operate("converge", tooled.host("n2"))["n2"]["error"] is None


def test_a_full_disk_is_told_before_anything_is_copied(tooled: Fleet, tmp_path: Path) -> None:
    place = checkout(tmp_path, "next")
    tooled.sh("n1", "mount -t tmpfs -o size=64m tmpfs /opt/outreach")
    try:
        report = tooled.operate("converge", tooled.host("n1"), RELEASE_CHECKOUT=str(place))["n1"]
    finally:
        tooled.sh("n1", "umount /opt/outreach")
    assert report["status"] == "failed"
    assert "/opt/outreach has 64 MiB free" in report["error"]
    assert version(tooled, "n1") == OWN


def test_a_switch_that_dies_half_way_is_put_right_by_the_next_run(tooled: Fleet, tmp_path: Path) -> None:
    script = (REPOSITORY / "deploys/operations/swap.sh").read_text()
    good = "elif ! run health"
    assert good in script
    deadly = tmp_path / "deadly.sh"
    deadly.write_text(script.replace(good, "elif kill -9 $$ || ! run health"))
    place = checkout(tmp_path, "next")
    host = tooled.host("n1")
    report = tooled.operate("converge", host, RELEASE_CHECKOUT=str(place), SWAP_SCRIPT=str(deadly))["n1"]
    assert "run it again" in report["error"]
    assert tooled.operate("converge", host, RELEASE_CHECKOUT=str(place))["n1"]["error"] is None
    assert version(tooled, "n1") == read_release(place).version
    assert one_to_go_back_to(tooled, "n1") == OWN
    assert tooled.operate("converge", host)["n1"]["error"] is None
    assert version(tooled, "n1") == OWN
