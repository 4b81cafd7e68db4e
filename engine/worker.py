"""A node at work: takes chunks when its budgets have room, checks them, reports, settles."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from math import inf

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from engine import subjects
from engine.contact import Contact
from engine.hand import Hand
from engine.link import Link, answers, close, connect, why
from engine.manner import Manner
from engine.messages import BadMessage, Chunk, Pulse, Report
from engine.operators import EXPRESS, MISC, Allowance, queues
from engine.together import end, wait
from validator import Settings, Validator

log = logging.getLogger("engine")

TRIES = 5
"""Deliveries after which a chunk is reported as one that nobody can finish."""


class Worker:
    """One node.

    Args:
        node: Its name, as its NATS identity has it.
        link: NATS.
        settings: The validator's.
        manner: Times and sizes.
        validator: Open, and shared with others in this process, so that all keep one account of the address'
            budgets; one of its own if none is given.
    """

    def __init__(
        self,
        node: str,
        link: Link,
        settings: Settings,
        *,
        manner: Manner | None = None,
        validator: Validator | None = None,
    ) -> None:
        self._node = subjects.token(node)
        self._link = link
        self._settings = settings
        self._manner = manner or Manner()
        self._shared = validator
        self._run = secrets.token_hex(4)  # a node that begins anew must not repeat its old message ids
        self._hands: dict[str, Hand] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = {queue: asyncio.Event() for queue in queues()}
        self._anew = asyncio.Event()
        self._trouble = ""
        self._count = 0
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give back what is not finished, and end every session with QUIT."""
        self._loop = asyncio.get_running_loop()
        self._client = await connect(
            self._link,
            name=f"worker {self._node}",
            inbox=subjects.inbox(self._node),
            reconnected=self._back,
        )
        self._jetstream = self._client.jetstream(timeout=5)
        self._contact = Contact(self._loop.time(), self._manner.heartbeat + self._manner.contact)
        try:
            async with self._validator() as validator:
                self._engine = validator.engine
                self._allowance = Allowance(
                    self._settings.operators, validator.engine.lanes, self._settings.sources
                )
                await self._client.subscribe(subjects.CONTROL, cb=self._told)
                await self._work(stop)
        finally:
            await close(self._client)

    @contextlib.asynccontextmanager
    async def _validator(self) -> AsyncIterator[Validator]:
        if self._shared is not None:
            yield self._shared
            return
        async with Validator(self._settings) as own:
            yield own

    async def _work(self, stop: asyncio.Event) -> None:
        log.info("%s is at work", self._node)
        pulls = [self._loop.create_task(self._pull(queue)) for queue in queues()]
        signs = [self._loop.create_task(self._progress()), self._loop.create_task(self._pulse())]
        stopping = self._loop.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*pulls, *signs, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()  # they end by an error only
            await self._leave(pulls)
        finally:
            await end([*pulls, *signs, *self._tasks, stopping])

    async def _leave(self, pulls: list[asyncio.Task[None]]) -> None:
        """First take back the questions for work, then give back the work: else it would be ours again."""
        self._stopping = True
        self._ask_anew()
        await asyncio.wait(pulls, timeout=self._manner.farewell)
        for hand in self._hands.values():
            hand.drop(self._engine)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._manner.farewell)

    # --- taking work ------------------------------------------------------------------------------

    async def _pull(self, queue: str) -> None:
        while not self._stopping:
            anew = self._anew
            subscription = await self._jetstream.pull_subscribe_bind(consumer=queue, stream=subjects.WORK)
            while not anew.is_set():
                await self._pull_one(queue, subscription, anew)
            # Questions that still stand would be answered to this inbox, when nobody waits for them.
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def _pull_one(
        self, queue: str, subscription: JetStreamContext.PullSubscription, anew: asyncio.Event
    ) -> None:
        self._room[queue].clear()
        if not self._wants(queue):
            await wait(self._room[queue], 1.0)
            return
        fetch = self._loop.create_task(subscription.fetch(1, timeout=self._manner.pull))
        lost = self._loop.create_task(anew.wait())
        try:
            await asyncio.wait([fetch, lost], return_when=asyncio.FIRST_COMPLETED)
            messages = fetch.result() if fetch.done() else []
        except TimeoutError:
            return
        except NatsError as error:
            log.info("%s: no work from %s: %s", self._node, queue, why(error))
            await asyncio.sleep(1.0)
            return
        finally:
            fetch.cancel()
            lost.cancel()
        for message in messages:
            if self._stopping:
                await message.nak()
            else:
                await self._take(message)

    def _back(self) -> None:
        self._contact.lost()
        self._ask_anew()

    def _ask_anew(self) -> None:
        """The server, or its streams, may be others now: what was asked before will not be answered."""
        self._anew.set()
        self._anew = asyncio.Event()

    def _wants(self, queue: str) -> bool:
        """Whether the node should begin on another chunk of a queue."""
        now = self._loop.time()
        if queue == EXPRESS:
            return not self._trouble  # few and short; the budgets hold in the validator
        mine = [hand for hand in self._hands.values() if hand.chunk.queue == queue]
        left = sum(len(hand.rest) + hand.fresh(now - self._stale(queue)) for hand in mine)
        in_hand = sum(len(hand.rest) + hand.asked for hand in self._hands.values())
        wanted = self._manner.misc_window if queue == MISC else self._manner.low
        return (
            left < wanted
            and in_hand < self._manner.most
            and not self._trouble
            and self._allowance.open(queue, now)
        )

    def _window(self, queue: str) -> int:
        return self._manner.misc_window if queue in (MISC, EXPRESS) else self._manner.window

    def _stale(self, queue: str) -> float:
        """Seconds after which an address does not wait for its budget any more but for a greylist."""
        pause = self._allowance.pause(queue, self._settings.rate_limit)
        return 60.0 if queue in (MISC, EXPRESS) else max(60.0, 3 * self._manner.window * pause)

    async def _take(self, message: Msg) -> None:
        try:
            chunk = Chunk.decode(message.data)
        except BadMessage as error:
            log.warning("%s: thrown away: %s", self._node, error)
            await message.term()
            return
        held = self._hands.get(chunk.key)
        if held is not None:
            held.message = message  # we were silent too long; the work goes on
            return
        if (message.metadata.num_delivered or 1) > TRIES:
            await self._tell(Report(chunk.job, chunk.number, chunk.turn, tries=TRIES))
            await self._settle(message)
            return
        hand = self._hands[chunk.key] = Hand(chunk, message, self._loop.time())
        task = self._loop.create_task(self._carry(hand))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- working ----------------------------------------------------------------------------------

    async def _carry(self, hand: Hand) -> None:
        """Bring a chunk to its end."""
        queue = hand.chunk.queue
        try:
            while True:
                hand.news.clear()
                if hand.rest and not hand.dropped:
                    await self._feed(hand)
                if hand.oldest is not None and self._loop.time() - hand.oldest > self._manner.give_up:
                    log.error("%s: an address of chunk %s got no verdict", self._node, hand.chunk.key)
                    hand.drop(self._engine)
                    with contextlib.suppress(NatsError):
                        await hand.message.nak()
                    return
                if hand.due(self._loop.time()):
                    report = hand.report()
                    await self._tell(report)
                    if report.over:
                        await self._settle(hand.message)
                        return
                    continue
                await wait(hand.news, 0.5)
                self._room[queue].set()
        finally:
            self._hands.pop(hand.chunk.key, None)
            self._room[queue].set()

    async def _feed(self, hand: Hand) -> None:
        queue, now = hand.chunk.queue, self._loop.time()
        if self._contact.away:
            return  # we would perhaps ask into the void
        if not self._allowance.open(queue, now):
            # The operator wants silence from us. Others may have room; what is begun stays ours.
            back = hand.give_back()
            if back is not None:
                await self._tell(back)
            return
        since = now - self._stale(queue)
        fresh = sum(other.fresh(since) for other in self._hands.values() if other.chunk.queue == queue)
        hand.feed(self._engine, max(0, self._window(queue) - fresh), self._loop.time)

    async def _told(self, message: Msg) -> None:
        """The coordinator says that a job is paused or over, or with no job that it has just begun."""
        job = message.data.decode("ascii", "replace")
        if not job:
            self._ask_anew()
        for hand in self._hands.values():
            if hand.chunk.job == job:
                hand.drop(self._engine)

    # --- telling ----------------------------------------------------------------------------------

    async def _tell(self, report: Report) -> None:
        """Report until it is stored; the chunk is not settled before."""
        data = report.encode()
        self._count += 1
        key = f"{self._node}.{self._run}.{self._count}"
        pause = 0.5
        while True:
            try:
                await self._jetstream.publish(
                    subjects.verdict(self._node), data, headers={"Nats-Msg-Id": key}
                )
            except (NatsError, TimeoutError) as error:
                line = why(error)
                if line != self._trouble:
                    log.warning("%s: %s", self._node, line)
                self._trouble = line
                await asyncio.sleep(pause)
                pause = min(pause * 2, 15.0)
            else:
                self._trouble = ""
                return

    async def _settle(self, message: Msg) -> None:
        # Lost, it costs a redelivery of what is known already.
        with contextlib.suppress(NatsError, TimeoutError):
            await message.ack_sync(timeout=5)

    async def _progress(self) -> None:
        while True:
            await asyncio.sleep(self._manner.progress)
            for hand in list(self._hands.values()):
                with contextlib.suppress(NatsError):
                    await hand.message.in_progress()

    async def _pulse(self) -> None:
        while True:
            hands = self._hands.values()
            cooling = self._allowance.cooling(self._loop.time())
            pulse = Pulse(sum(hand.asked for hand in hands), len(hands), cooling, self._trouble)
            with contextlib.suppress(NatsError):
                await self._client.publish(subjects.heartbeat(self._node), pulse.encode())
            await self._touch()
            await asyncio.sleep(min(self._manner.heartbeat, 1.0 if self._contact.away else inf))

    async def _touch(self) -> None:
        """Ask NATS for a sign of life, and judge by it what is in hand."""
        if not await answers(self._client, self._manner.contact):
            self._contact.lost()
            return
        believe = self._contact.heard(self._loop.time())
        for hand in self._hands.values():
            hand.judge(self._loop.time, believe=believe)
