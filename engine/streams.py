"""Streams and consumers as the engine wants them."""

from __future__ import annotations

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from engine import subjects
from engine.operators import queues
from engine.pace import Pace

MOST_WAITING = 4096
"""Nodes that may wait for work of a queue at once; the server's own bound of 512 is below 700 nodes."""

MOST_UNSETTLED = 20_000
"""Chunks of a queue in nodes' hands at once; the server's own bound of 1,000 would starve 700 nodes."""


async def ensure_streams(jetstream: JetStreamContext, pace: Pace) -> None:
    """Make streams and consumers as they should be; what is there already is brought up to date.

    Both streams refuse what they have no room for instead of dropping what is oldest.
    """
    for name, subject, size in (
        (subjects.WORK, subjects.EVERY_WORK, pace.work_bytes),
        (subjects.VERDICTS, subjects.EVERY_VERDICT, pace.verdict_bytes),
    ):
        config = StreamConfig(
            name=name,
            subjects=[subject],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_bytes=size,
            duplicate_window=120,
        )
        try:
            await jetstream.stream_info(name)
        except NotFoundError:
            await jetstream.add_stream(config)
        else:
            await jetstream.update_stream(config)
    for queue in queues():
        await jetstream.add_consumer(
            subjects.WORK, _consumer(queue, pace, filter_subject=subjects.work(queue))
        )
    await jetstream.add_consumer(subjects.VERDICTS, _consumer(subjects.COLLECTOR, pace))


def _consumer(name: str, pace: Pace, *, filter_subject: str | None = None) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        filter_subject=filter_subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=pace.ack_wait,
        # Nodes count tries and give up with a report; the server alone would only fall silent.
        max_deliver=-1,
        max_waiting=MOST_WAITING,
        max_ack_pending=MOST_UNSETTLED,
    )
