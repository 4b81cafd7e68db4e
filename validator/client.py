"""The library's face: check one, stream many, or block."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import replace
from types import TracebackType

from validator.dial import Connector, TcpConnector
from validator.engine import Engine
from validator.resolver import Questions, Resolver, system_resolver
from validator.settings import Settings
from validator.verdict import Verdict
from validator.work import CatchAllMemory, RecentCatchAll


class Validator:
    """Checks addresses within one event loop; use as `async with`.

    Args:
        settings: See `Settings`.
        dns: Instead of the resolver of the settings.
        connector: Instead of TCP.
        memory: Where catch-all answers are kept.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        dns: Questions | None = None,
        connector: Connector | None = None,
        memory: CatchAllMemory | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._dns = dns
        self._connector = connector
        self._memory = memory
        self._own_resolver: Resolver | None = None
        self._engine: Engine | None = None

    async def __aenter__(self) -> Validator:
        """Open."""
        dns = self._dns
        if dns is None:
            host, port = self.settings.resolver or system_resolver()
            dns = self._own_resolver = Resolver(host, port)
        self._engine = Engine(
            self.settings,
            dns=dns,
            connector=self._connector or TcpConnector(self.settings.proxy),
            memory=self._memory or RecentCatchAll(clock=asyncio.get_running_loop().time),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every session with QUIT and close."""
        if self._engine is not None:
            await self._engine.close()
        if self._own_resolver is not None:
            self._own_resolver.close()

    @property
    def engine(self) -> Engine:
        """The scheduler, for callers that want callbacks.

        Raises:
            RuntimeError: outside `async with`.
        """
        if self._engine is None:
            raise RuntimeError("use the validator inside `async with`")
        return self._engine

    async def check(self, address: str, *, patient: bool = True) -> Verdict:
        """The verdict on one address; cancelled, the address is not asked for any more.

        Args:
            address: The address.
            patient: Wait for greylists and cool-downs as the settings allow.
        """
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        job = self.engine.submit(
            address, lambda verdict: None if future.done() else future.set_result(verdict), patient=patient
        )
        try:
            return await future
        except asyncio.CancelledError:
            if job is not None and future.cancelled():
                self.engine.withdraw(job)
            raise

    async def stream(self, addresses: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[Verdict]:
        """Verdicts as they are known, not in the order of the addresses; reads ahead by `settings.window`."""
        inbox = _Inbox()
        reader = asyncio.create_task(self._read(addresses, inbox))
        reader.add_done_callback(inbox.stir)
        given = 0
        try:
            while not reader.done() or given < reader.result():
                await inbox.filled()
                while inbox.verdicts:
                    given += 1
                    yield inbox.verdicts.popleft()
        finally:
            reader.cancel()

    async def _read(self, addresses: Iterable[str] | AsyncIterable[str], inbox: _Inbox) -> int:
        """Hand over every address; how many they were."""
        engine = self.engine
        count = 0
        async for address in _each(addresses):
            if engine.pending >= self.settings.window:
                await engine.room()
            engine.submit(address, inbox.put)
            count += 1
            # Let the loop breathe: verdicts of malformed addresses come without any other wait.
            if count % 256 == 0:
                await asyncio.sleep(0)
        return count


async def _each(addresses: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(addresses, AsyncIterable):
        async for address in addresses:
            yield address
    else:
        for address in addresses:
            yield address


class _Inbox:
    """Verdicts that are known and not yet taken; `asyncio.Queue` costs ten calls for each."""

    def __init__(self) -> None:
        self.verdicts: deque[Verdict] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, verdict: Verdict) -> None:
        """Take one in."""
        self.verdicts.append(verdict)
        if self._waiter is not None:
            self.stir()

    def stir(self, *_: object) -> None:
        """Wake who waits."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def filled(self) -> None:
        """Wait until there is one, or `stir` is called."""
        if not self.verdicts:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


def check(address: str, settings: Settings | None = None) -> Verdict:
    """Check one address and block until it is known; does not wait for greylists or cool-downs."""

    async def once() -> Verdict:
        async with Validator(at_once(settings or Settings())) as validator:
            return await validator.check(address)

    return asyncio.run(once())


def at_once(settings: Settings) -> Settings:
    """The same settings without returns and waits: the first answer is the verdict."""
    return replace(settings, greylist_delays=(), patience=0.0)
