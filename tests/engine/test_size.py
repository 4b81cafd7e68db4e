"""The design carries 700 nodes: what it needs, as computed from its own constants, and what is borne."""

from __future__ import annotations

import asyncio

import nats as nats_client
import pytest

from benchmarks.engine.size import NODES, sizes, table
from engine import subjects
from engine.operators import queues
from engine.streams import MOST_UNSETTLED, MOST_WAITING
from tests.engine.world import Fleet

DISK = "bytes of results of keep_days"


@pytest.mark.parametrize("nodes", NODES)
def test_everything_that_grows_with_the_fleet_stays_within_what_is_borne(nodes: int) -> None:
    too_much = {row.what: row for row in table(nodes) if not row.fits}
    # A hundred nodes at full work for a month fill more than the disk that is reckoned with: docs/engine.md.
    assert set(too_much) == ({DISK} if nodes >= 100 else set())


def test_what_grows_is_told_from_what_does_not() -> None:
    small, large = ({row.what: row.needed for row in table(nodes)} for nodes in (3, 700))
    grown = {what for what in small if large[what] > small[what]}
    same = {what for what in small if what not in grown}
    assert {"connections", "questions that wait at a consumer", "chunks of a queue in hands", DISK} <= grown
    assert {"consumers of a stream", "bytes of a chunk of 500", "bytes of the longest message"} <= same


def test_the_limits_reckoned_with_are_those_that_the_servers_have(fleet: Fleet) -> None:
    borne = {row.what: row.borne for row in table(700)}

    async def run() -> None:
        async with fleet.coordinator():
            client = await nats_client.connect(fleet.nats.url)
            jetstream = client.jetstream()
            while len(await jetstream.streams_info()) < 2 or len(
                await jetstream.consumers_info(subjects.WORK)
            ) < len(queues()):
                await asyncio.sleep(0.05)
            info = await jetstream.consumer_info(subjects.WORK, "google")
            work = await jetstream.stream_info(subjects.WORK)
            await client.close()
        assert client.max_payload == borne["bytes of the longest message"]
        assert info.config.max_waiting == MOST_WAITING == borne["questions that wait at a consumer"]
        assert info.config.max_ack_pending == MOST_UNSETTLED == borne["chunks of a queue in hands"]
        assert work.state.consumer_count == len(queues())
        assert work.config.max_bytes == borne["bytes of chunks on NATS' disk"]

    asyncio.run(run())


def test_a_full_chunk_and_a_full_report_are_far_below_a_messages_limit() -> None:
    found = sizes()
    assert found.chunk * 10 < 1 << 20
    assert found.report * 10 < 1 << 20
