"""kill -9 loses nothing that was answered, and work that was begun is finished by the next life."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import cloudflare
import hcloud
import pytest
from cloudflare import Cloudflare

from tests.emulators import ACCOUNT, Emulators
from tests.lab.emulators.test_cloudflare_sdk import client_of
from tests.lab.emulators.test_contabo import Client as Contabo
from tests.lab.emulators.test_hetzner_sdk import order


def test_state_is_the_same_after_kill_9(emulators: Emulators) -> None:
    hetzner = hcloud.Client(
        emulators.env["HCLOUD_TOKEN"], emulators.env["HCLOUD_ENDPOINT"], poll_interval=0.02
    )
    order(hetzner, labels={"fleet": "berg"})
    contabo = Contabo(emulators)
    key = contabo.order("n2.infra.example")
    emulators.advance(10)
    client = client_of(emulators)
    zone = client.zones.create(account={"id": ACCOUNT}, name="berg.example")
    assert zone is not None
    client.dns.records.create(zone_id=zone.id, name="n1", type="A", content="198.18.1.10", ttl=3600)
    emulators.fault("contabo", kind="error", method="DELETE", count=3)
    before = [emulators.state(vendor) for vendor in emulators.urls]
    log = emulators.requests("cloudflare")

    emulators.kill()
    emulators.start()

    assert [emulators.state(vendor) for vendor in emulators.urls] == before
    assert emulators.requests("cloudflare") == log
    assert [fault["count"] for fault in emulators.control("GET", "contabo", "faults")] == [3]
    # The token, the settings and the clock's advance hold too: the instance is running, not young again.
    assert contabo.get(f"/v1/compute/instances/{key}")[0]["status"] == "running"
    order(hetzner, "n3.infra.example")
    assert set(emulators.world()["hosts"]) == {"n1", "n2", "n3"}


def test_records_answered_before_kills_in_the_middle_of_writing_are_all_there(emulators: Emulators) -> None:
    client = client_of(emulators)
    zone = client.zones.create(account={"id": ACCOUNT}, name="berg.example")
    assert zone is not None
    answered: list[str] = []
    news = threading.Semaphore(0)
    finished = threading.Event()

    def write(writer: int) -> None:
        own = client_of(emulators)
        for number in itertools.count():
            if finished.is_set():
                return
            name = f"w{writer}-{number}"
            if _written(own, zone.id, name):
                answered.append(f"{name}.berg.example")
                news.release()
            else:
                finished.wait(0.1)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for _life in range(3):
        for _record in range(20):
            assert news.acquire(timeout=60)
        emulators.kill()
        emulators.start()
    finished.set()
    for thread in threads:
        thread.join()
    kept = {row["name"] for row in emulators.state("cloudflare")["record"]}
    assert set(answered) <= kept
    client.dns.records.create(zone_id=zone.id, name="last", type="A", content="192.0.2.1", ttl=1)
    assert {record["name"] for record in emulators.world()["zones"]["berg.example"]} == kept | {
        "last.berg.example"
    }


def _written(client: Cloudflare, zone: str, name: str) -> bool:
    try:
        client.dns.records.create(zone_id=zone, name=name, type="A", content="192.0.2.1", ttl=1)
    except (cloudflare.APIConnectionError, cloudflare.InternalServerError):
        return False
    return True


def test_sigterm_ends_with_status_0(emulators: Emulators) -> None:
    assert emulators.stop() == 0


@pytest.mark.parametrize("missing", ["HCLOUD_TOKEN", "CLOUDFLARE_API_TOKEN", "CONTABO_API_PASSWORD"])
def test_a_missing_token_is_one_clear_line(emulators: Emulators, tmp_path: Path, missing: str) -> None:
    done = _run(tmp_path, {**emulators.env, missing: ""})
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"emulators: {missing} is not set; the emulators accept the token given in it"
    ]


def test_a_taken_port_is_one_clear_line(emulators: Emulators, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _run(tmp_path, emulators.env, f"0,{taken.getsockname()[1]},0,0")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Address already in use" in line


def _run(state: Path, env: dict[str, str], ports: str = "0,0,0,0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab.emulators", "--state", str(state), "--listen", "127.0.0.1"]
    return subprocess.run(
        [*command, "--ports", ports],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
