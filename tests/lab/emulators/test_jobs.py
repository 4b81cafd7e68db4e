"""What the world must do is done once the request holds, in order, and by the next life if this one dies."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.emulators.jobs import JobFailedError, Jobs, JobState
from lab.emulators.recording import RecordingWorld
from lab.emulators.store import Store
from lab.world import ResourceRecord


class GatedWorld(RecordingWorld):
    """A recording world whose DNS calls wait for a gate, as a slow name server would make them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.calls: list[str] = []

    def boot(self, host: str, ipv4: str, ssh_keys: Sequence[str]) -> None:
        self.calls.append(f"boot {host}")
        super().boot(host, ipv4, ssh_keys)

    def destroy(self, host: str) -> None:
        self.calls.append(f"destroy {host}")
        super().destroy(host)

    def publish(self, zone: str, records: Sequence[ResourceRecord]) -> None:
        assert self.gate.wait(30)
        self.calls.append(f"publish {zone} {len(records)}")
        super().publish(zone, records)


@pytest.fixture
def world(tmp_path: Path) -> GatedWorld:
    return GatedWorld(tmp_path / "world.json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "emulators.sqlite3"


def record(number: int) -> ResourceRecord:
    return ResourceRecord(f"n{number}.berg.example", "A", 300, "192.0.2.1")


def test_a_job_not_done_when_the_process_died_is_done_by_the_next(path: Path, world: GatedWorld) -> None:
    async def life_that_ends_right_after_the_commit() -> None:
        jobs = Jobs(Store(path), world)
        with jobs.request():
            jobs.boot("n1", "198.18.1.10", ["key"])
            jobs.set_ptr("198.18.1.10", "n1.infra.example")
        os._exit(0)

    async def next_life() -> None:
        jobs = Jobs(Store(path), world)
        jobs.resume()
        await jobs.settle()

    child = os.fork()
    if child == 0:
        asyncio.run(life_that_ends_right_after_the_commit())
    assert os.waitpid(child, 0)[1] == 0
    assert world.snapshot()["hosts"] == {}
    asyncio.run(next_life())
    assert world.snapshot()["hosts"] == {"n1": {"ipv4": "198.18.1.10", "ssh_keys": ["key"]}}
    assert world.snapshot()["ptrs"] == {"198.18.1.10": "n1.infra.example"}


def test_a_refused_request_leaves_no_job(path: Path, world: GatedWorld) -> None:
    async def refuse() -> None:
        jobs = Jobs(Store(path), world)

        def refused() -> None:
            with jobs.request():
                jobs.boot("n1", "198.18.1.10", [])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            refused()
        jobs.resume()
        await jobs.settle()

    asyncio.run(refuse())
    assert world.calls == []


def test_changes_made_while_a_zone_is_published_are_published_together(path: Path, world: GatedWorld) -> None:
    async def change() -> None:
        jobs = Jobs(Store(path), world)
        records: list[ResourceRecord] = []
        jobs.zone_records = lambda _zone: list(records)
        keys = []
        for number in range(10):
            records.append(record(number))
            with jobs.request():
                keys.append(jobs.publish("berg.example"))
            await asyncio.sleep(0.01)
        world.gate.set()
        await jobs.wait(keys)

    asyncio.run(change())
    assert world.calls == ["publish berg.example 1", "publish berg.example 10"]


def test_a_host_is_destroyed_before_one_of_its_name_is_booted(path: Path, world: GatedWorld) -> None:
    async def replace() -> None:
        jobs = Jobs(Store(path), world)
        with jobs.request():
            jobs.boot("n1", "198.18.1.10", [])
            jobs.destroy("n1")
            jobs.boot("n1", "198.18.1.11", [])
        await jobs.settle()

    asyncio.run(replace())
    assert world.calls == ["boot n1", "destroy n1", "boot n1"]
    assert world.snapshot()["hosts"]["n1"]["ipv4"] == "198.18.1.11"


def test_a_failed_job_says_so_to_whoever_waits_and_stays_failed(path: Path, world: GatedWorld) -> None:
    async def fail() -> None:
        jobs = Jobs(Store(path), world)
        with jobs.request(fail=True):
            key = jobs.boot("n1", "198.18.1.10", [])
        with pytest.raises(JobFailedError, match="boot: failed as a test ordered"):
            await jobs.wait([key])
        assert jobs.state(key) is JobState.FAILED
        assert Jobs(Store(path), world).state(key) is JobState.FAILED

    asyncio.run(fail())
    assert world.calls == []
