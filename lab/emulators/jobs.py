"""What the lab's world must still do about accepted requests: kept with them, done in threads, never lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from lab.emulators.store import Json, Store
from lab.world import ResourceRecord, World

log = logging.getLogger(__name__)


class JobState(StrEnum):
    """How far a job is."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class JobFailedError(Exception):
    """The world could not do what a request needed."""


class Jobs:
    """Calls of the world, each recorded in the transaction of the request that needs it.

    Jobs about one host run in order, jobs about DNS one after another, all else at the same time. After a
    restart the jobs that were not done are done; the world's calls are idempotent.
    """

    def __init__(self, store: Store, world: World) -> None:
        self._store = store
        self._world = world
        self._table = store.table("lab", "job")
        self._fresh: list[int] = []
        self._fail_next = False
        self._lanes: dict[str, asyncio.Lock] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._active: set[int] = set()
        self.zone_records: Callable[[str], Sequence[ResourceRecord] | None] = lambda _zone: None

    def boot(self, host: str, ipv4: str, ssh_keys: Sequence[str]) -> int:
        """Boot a host."""
        return self._add("boot", f"host {host}", host=host, ipv4=ipv4, ssh_keys=list(ssh_keys))

    def destroy(self, host: str) -> int:
        """Destroy a host."""
        return self._add("destroy", f"host {host}", host=host)

    def set_ptr(self, ipv4: str, name: str | None) -> int:
        """Serve a PTR, or none."""
        return self._add("set_ptr", "dns", ipv4=ipv4, name=name)

    def publish(self, zone: str) -> int:
        """Serve the zone as it is when the job runs (or withdraw it, if it is gone by then)."""
        for row in self._pending():
            # A job that waits will read the newest state anyway; one that runs may have read an older one.
            same = row["call"] == "publish" and row["arguments"]["zone"] == zone
            if same and row["id"] not in self._active:
                return int(row["id"])
        return self._add("publish", "dns", zone=zone)

    def state(self, key: int) -> JobState:
        """How far a job is."""
        row = self._table.get(key)
        return JobState.DONE if row is None else JobState(row["state"])

    @contextmanager
    def request(self, *, fail: bool = False) -> Iterator[None]:
        """One request's transaction: its writes and its jobs hold together; jobs start once it holds."""
        self._fail_next = fail
        try:
            with self._store.transaction():
                yield
        except BaseException:
            self._fresh.clear()
            raise
        finally:
            self._fail_next = False
        self._start(self._fresh)
        self._fresh.clear()

    async def wait(self, keys: Iterable[int]) -> None:
        """Wait for jobs.

        Raises:
            JobFailedError: one of them failed.
        """
        for key in keys:
            if task := self._tasks.get(key):
                await asyncio.shield(task)
            row = self._table.get(key)
            if row is not None and row["state"] == JobState.FAILED:
                raise JobFailedError(row["error"])

    async def settle(self) -> None:
        """Wait until the world has done, or failed at, everything that was asked so far."""
        for task in list(self._tasks.values()):
            await asyncio.shield(task)

    def resume(self) -> None:
        """Start what an earlier life left undone. Needs a running event loop."""
        self._start([row["id"] for row in self._pending()])

    def _add(self, call: str, lane: str, **arguments: object) -> int:
        key = self._store.number("job")
        row = {"id": key, "call": call, "lane": lane, "arguments": arguments, "state": JobState.PENDING}
        self._table.put(key, {**row, "fail": self._fail_next, "error": None}, parent=JobState.PENDING)
        self._fresh.append(key)
        return key

    def _pending(self) -> list[Json]:
        return self._table.rows(JobState.PENDING)

    def _start(self, keys: Iterable[int]) -> None:
        for key in keys:
            if key not in self._tasks:
                self._tasks[key] = asyncio.create_task(self._run(key))

    async def _run(self, key: int) -> None:
        row = self._table.get(key)
        if row is None:
            return
        lane = self._lanes.setdefault(row["lane"], asyncio.Lock())
        async with lane:
            self._active.add(key)
            try:
                if row["fail"]:
                    raise JobFailedError("failed as a test ordered")
                await asyncio.to_thread(self._call(row))
            except Exception as error:
                log.exception("%s %s", row["call"], row["arguments"].get("host") or row["arguments"])
                failed = {**row, "state": JobState.FAILED, "error": f"{row['call']}: {error}"}
                self._table.put(key, failed, parent=JobState.FAILED)
            else:
                self._table.delete(key)
            finally:
                self._active.discard(key)
                del self._tasks[key]

    def _call(self, row: Json) -> Callable[[], None]:
        """The world's call, with everything it needs read now, in the event loop's thread."""
        world, arguments = self._world, row["arguments"]
        match row["call"]:
            case "boot":
                return lambda: world.boot(arguments["host"], arguments["ipv4"], arguments["ssh_keys"])
            case "destroy":
                return lambda: world.destroy(arguments["host"])
            case "set_ptr":
                return lambda: world.set_ptr(arguments["ipv4"], arguments["name"])
            case "publish":
                zone = arguments["zone"]
                records = self.zone_records(zone)
                if records is None:
                    return lambda: world.withdraw(zone)
                return lambda: world.publish(zone, records)
            case other:
                raise ValueError(f"unknown job {other}")
