"""A coordinator's work between two errors: out, in, and keeping house."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

from engine import subjects
from engine.chunks import Item, cut
from engine.intake import Intake
from engine.ledger import Ledger
from engine.link import STORAGE_FULL, why
from engine.messages import BadMessage, Pulse, Report
from engine.pace import Pace
from engine.streams import ensure_streams
from engine.together import first, wait

log = logging.getLogger("engine")

Routes = Callable[[Iterable[str]], Awaitable[Mapping[str, str]]]
"""Asks DNS for the operators of domains; leaves out what it cannot tell in time."""


BATCH = 64
"""Reports stored in one transaction, at most."""

GATHER = 0.05
"""Seconds for which a report waits for others."""


class Books(NamedTuple):
    """PostgreSQL, a connection for each of the term's three loops: none waits for another's transaction."""

    ledger: Ledger
    intake: Intake
    house: Ledger


class Term:
    """The work between two errors."""

    def __init__(
        self,
        client: Client,
        pace: Pace,
        books: Books,
        routes: Routes | None,
    ) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=10)
        self._pace = pace
        self._ledger, self._intake, self._house = books
        self._routes = routes
        self._pulses: dict[str, tuple[float, Pulse]] = {}
        self._stored: deque[tuple[float, Counter[str]]] = deque()
        self._news = asyncio.Event()
        self._full = ""

    async def run(self, away: asyncio.Event) -> None:
        """Until an error, or until NATS was away: what was asked of it before is not answered any more."""
        await ensure_streams(self._jetstream, self._pace)
        await self._client.subscribe(subjects.EVERY_HEARTBEAT, cb=self._heard)
        await self._client.publish(subjects.CONTROL, b"")
        log.info("the coordinator is at work")
        await first(self._dispatch(), self._collect(), self._keep_house(), _end_with(away))

    @property
    def nodes(self) -> int:
        """Nodes that are alive; at least one, so that work waits for the first."""
        now = time.monotonic()
        return max(1, sum(now - seen < self._pace.alive for seen, _ in self._pulses.values()))

    # --- out ----------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        while True:
            self._news.clear()
            for job in await self._ledger.halted():
                await self._recall(job)
            cut_any = await self._cut()
            sent = await self._hand_out()
            if not cut_any and not sent:
                await wait(self._news, self._pace.poll)

    async def _recall(self, job: str) -> None:
        """Take a job that is paused or over out of the streams, and tell the nodes."""
        await self._jetstream.purge_stream(subjects.WORK, subject=subjects.work("*", job))
        await self._client.publish(subjects.CONTROL, job.encode())
        await self._ledger.recall(job)

    async def _cut(self) -> bool:
        block = await self._ledger.next_block()
        if block is None:
            return False
        items = block.items if block.express else await self._routed(block.items)
        pieces = cut(items, nodes=self.nodes, last=block.last, express=block.express)
        await self._ledger.add_chunks(block, pieces)
        return True

    async def _routed(self, items: Sequence[Item]) -> Sequence[Item]:
        domains = {item.domain for item in items if item.domain}
        known = await self._ledger.routes(domains)
        if self._routes is not None and len(known) < len(domains):
            found = await self._routes(domains - known.keys())
            await self._ledger.learn(found)
            known.update(found)
        return [replace(item, operator=known.get(item.domain, "")) for item in items]

    async def _hand_out(self) -> int:
        """Fill each queue up to a chunk a node: more would only make the next job wait, and fill the disk."""
        sent = 0
        for queue in await self._ledger.queues_waiting():
            info = await self._jetstream.consumer_info(subjects.WORK, queue)
            room = self.nodes + 1 - (info.num_pending or 0)
            for job, number in await self._ledger.waiting(queue, room) if room > 0 else []:
                if not await self._send(job, number):
                    return sent
                sent += 1
        return sent

    async def _send(self, job: int, number: int) -> bool:
        """Publish a chunk; False if JetStream has no room for it."""
        chunk = await self._ledger.load(job, number)
        if chunk is None:
            return True
        try:
            await self._jetstream.publish(
                subjects.work(chunk.queue, chunk.job), chunk.encode(), headers={"Nats-Msg-Id": chunk.key}
            )
        except APIError as error:
            if error.err_code not in STORAGE_FULL:
                raise
            await self._say(why(error))
            return False
        await self._say("")
        await self._ledger.sent(job, chunk)
        return True

    async def _say(self, line: str) -> None:
        if line != self._full:
            if line:
                log.error("%s", line)
            self._full = line
            await self._ledger.trouble("nats", line)

    # --- in -----------------------------------------------------------------------------------------

    async def _collect(self) -> None:
        """Store reports, then acknowledge: what is stored twice counts once."""
        subscription = await self._jetstream.pull_subscribe_bind(
            consumer=subjects.COLLECTOR, stream=subjects.VERDICTS
        )
        while True:
            try:
                messages = await subscription.fetch(1, timeout=5)
            except TimeoutError:
                continue
            with contextlib.suppress(TimeoutError):
                # One transaction for all that come together; the client waits all the time for a full batch.
                messages += await subscription.fetch(BATCH - 1, timeout=GATHER)
            reports = [report for message in messages if (report := _report(message)) is not None]
            new = await self._intake.store(reports)
            for message in messages:
                await message.ack()
            self._stored.append((time.monotonic(), new))
            self._news.set()

    async def _heard(self, message: Msg) -> None:
        node = subjects.sender(message.subject)
        try:
            self._pulses[node] = time.monotonic(), Pulse.decode(message.data)
        except BadMessage as error:
            log.warning("%s sent a %s", node, error)

    # --- house --------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        swept = pruned = -inf
        suspects: set[str] = set()
        told: dict[str, str] = {}
        while True:
            now = time.monotonic()
            fresh = {n: pulse for n, (seen, pulse) in self._pulses.items() if now - seen < self._pace.alive}
            await self._house.pulses(fresh)
            for node in fresh.keys() | told.keys():
                line = fresh[node].trouble if node in fresh else ""
                if line != told.get(node, ""):
                    await self._house.trouble(f"node {node}", f"{node}: {line}" if line else "")
                    told[node] = line
            await self._house.rates(self._rates(now))
            if now - swept > self._pace.sweep:
                suspects = await self._sweep(suspects)
                swept = now
            if now - pruned > 3600:
                await self._house.prune(self._pace.keep_days)
                pruned = now
            await asyncio.sleep(min(5.0, self._pace.sweep))

    def _rates(self, now: float) -> dict[str, float]:
        """Verdicts a second over the last minute, by job."""
        while self._stored and now - self._stored[0][0] > 60:
            self._stored.popleft()
        if not self._stored:
            return {}
        total: Counter[str] = Counter()
        for _, new in self._stored:
            total.update(new)
        seconds = max(5.0, now - self._stored[0][0])
        return {job: count / seconds for job, count in total.items()}

    async def _sweep(self, suspects: set[str]) -> set[str]:
        """Hand out anew what no stream holds: the disk was lost, or a node settled a chunk and said nothing.

        A queue must look empty at two sweeps in a row with no report on its way, so that what is only being
        moved from one to the other is left alone.
        """
        outside = await self._house.outside()
        collector = await self._jetstream.consumer_info(subjects.VERDICTS, subjects.COLLECTOR)
        if collector.num_pending or collector.num_ack_pending:
            return set()
        empty = set()
        for queue in outside:
            info = await self._jetstream.consumer_info(subjects.WORK, queue)
            if not info.num_pending and not info.num_ack_pending:
                empty.add(queue)
        for queue in empty & suspects:
            count = await self._house.lost(queue, 2 * self._pace.sweep)
            if count:
                log.warning(
                    "%d chunks of %s were in no stream any more and are handed out anew", count, queue
                )
        return empty


async def _end_with(away: asyncio.Event) -> None:
    await away.wait()
    raise ConnectionError("NATS was away")


def _report(message: Msg) -> tuple[str, Report] | None:
    node = subjects.sender(message.subject)
    try:
        return node, Report.decode(message.data)
    except BadMessage as error:
        log.warning("%s sent a %s", node, error)
        return None
