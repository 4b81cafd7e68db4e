"""What goes wrong in one place, and what must not go wrong because of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import nats as nats_client

from engine import subjects
from engine.messages import Report
from engine.model import State
from engine.routes import DnsRoutes
from tests.engine.world import MANNER, NAMED, PACE, Fleet
from tests.validator.servers import Mx


def test_verdicts_reported_twice_or_for_rows_and_jobs_that_are_none_count_once_or_not(fleet: Fleet) -> None:
    fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(30))
        async with fleet.coordinator():
            client = await nats_client.connect(fleet.nats.url)
            jetstream = client.jetstream()
            while not await jetstream.streams_info():
                await asyncio.sleep(0.05)
            one = {"status": "VALID", "email": "x", "valid": True}
            say = jetstream.publish
            for _ in range(3):
                await say(subjects.verdict("n1"), Report(job, 1, 1, ((1, one), (1, one), (2, one))).encode())
            await say(subjects.verdict("n1"), Report(job, 1, 1, ((31, one), (0, one))).encode())
            await say(subjects.verdict("n1"), Report("no such job", 1, 1, ((1, one),), over=True).encode())
            await say(subjects.verdict("n1"), Report(job, 999, 7, back=(1, 2), over=True, tries=5).encode())
            odd = {**one, "email": "x@\0\ud800.test", "reply": "\0\ud800", "operator": "google"}
            await say(subjects.verdict("n1"), Report(job, 1, 1, ((3, odd),)).encode())
            await say(subjects.verdict("n1"), Report("\0\ud800", 1, 1, ((3, odd),)).encode())
            await say(subjects.verdict("n1"), b"garbage")
            await client.publish(subjects.heartbeat("n1"), b"garbage")
            await client.flush()
            found = await fleet.until(job, lambda found: found.done >= 3)
            async with fleet.worker():
                await fleet.until(job)
            await client.close()
        assert found.done == 3
        rows = await fleet.rows(job)
        assert sorted(row["row"] for row in rows) == list(range(1, 31))
        assert rows[2]["reply"] == "\0\ud800"

    asyncio.run(run())


def test_a_node_that_stops_gives_back_what_it_has_not_finished_and_ends_sessions_with_quit(
    fleet: Fleet,
) -> None:
    server = fleet.domain("a.test", "127.0.51.1")

    async def run() -> None:
        job = await fleet.submit(f"u{n}@a.test" for n in range(40))
        slow: dict[str, Any] = {"budget": {"rate": 600, "connects": 0, "connections": 1, "daily": 0}}
        # Were a chunk only lost with the node, it would take this long to come back.
        async with fleet.coordinator(pace=replace(PACE, ack_wait=60)):
            async with fleet.worker("n1", **slow) as stop:
                await fleet.until(job, lambda found: found.done > 0)
                stop.set()
                await asyncio.sleep(1)
            assert all(session.quit for session in server.sessions)
            async with fleet.worker("n2"):
                await fleet.until(job, seconds=15)
        assert len(await fleet.rows(job)) == 40

    asyncio.run(run())


def test_a_chunk_that_nobody_can_finish_is_isolated_and_named_and_costs_one_address(fleet: Fleet) -> None:
    """The mail server never answers for one address; the validator's patience is longer than the node's."""
    hang = Mx(users={"u2"}, banner_delay=600)
    fleet.domain("a.test", "127.0.51.1")
    fleet.domain("hang.test", "127.0.51.2", hang)

    async def run() -> None:
        job = await fleet.submit([f"u{n}@a.test" for n in range(12)] + ["stuck@hang.test"])
        manner = replace(MANNER, give_up=0.5)
        slow = replace(fleet.settings().timeouts, banner=600)
        async with fleet.coordinator(), fleet.worker(manner=manner, timeouts=slow):
            done = await fleet.until(job, seconds=60)
        rows = {row["row"]: row for row in await fleet.rows(job)}
        assert len(rows) == 13
        assert (rows[13]["status"], rows[13]["reason"]) == ("UNKNOWN", "not_carried")
        assert done.counts == {"VALID": 6, "MAILBOX_NOT_FOUND": 6, "UNKNOWN": 1}
        assert done.error is not None
        assert "given up after 5 tries; it goes on in" in done.error
        assert "row 13 could not be checked" in done.error

    asyncio.run(run())


class TwoFaced(Mx):
    """Asks one address of ours for silence and serves the others."""

    angry = Mx(rcpt=lambda _local: "421 4.7.0 unusual rate of requests, try again later")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silenced = writer.get_extra_info("peername")[0] == "127.0.30.1"
        await (self.angry.serve if silenced else super().serve)(reader, writer)


def test_work_for_an_operator_that_wants_silence_goes_to_a_node_that_it_has_not_silenced(
    fleet: Fleet,
) -> None:
    google = TwoFaced(users={f"u{n}" for n in range(120)})
    fleet.domain("g.test", "127.0.51.1", google, host="aspmx.l.google.com")
    manner = replace(MANNER, window=4)
    first: dict[str, Any] = {"operators": NAMED, "source_ips": ("127.0.30.1",), "patience": 9000.0}
    second: dict[str, Any] = {"operators": NAMED, "source_ips": ("127.0.30.2",)}

    async def run() -> None:
        job = await fleet.submit(f"u{n}@g.test" for n in range(120))
        async with (
            fleet.coordinator(routes=DnsRoutes(fleet.world.resolver)),
            fleet.worker("n1", manner=manner, **first) as stop,
        ):
            found = await fleet.until(job, lambda found: found.cooling == ("google",))
            assert found.done == 0
            async with fleet.worker("n2", **second):
                # What the silenced node had begun stays its own: another source does not take it over.
                found = await fleet.until(job, lambda found: found.done >= 116, seconds=15)
                assert found.state is State.RUNNING
                stop.set()
                done = await fleet.until(job)
        assert done.counts == {"VALID": 120}
        assert sum(len(session.recipients) for session in TwoFaced.angry.sessions) <= 8

    asyncio.run(run())
