"""The library's face: check one, stream many, or block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import replace
from types import TracebackType

from validator.engine import Engine
from validator.resolver import Questions, Resolver, system_resolver
from validator.settings import Settings
from validator.transport import Connector, TcpConnector
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
        queue: asyncio.Queue[Verdict | None] = asyncio.Queue()
        reader = asyncio.create_task(self._read(addresses, queue))
        try:
            left = -1
            seen = 0
            while left != seen:
                item = await queue.get() if queue.empty() else queue.get_nowait()
                if item is None:
                    left = await reader
                    continue
                seen += 1
                yield item
        finally:
            reader.cancel()

    async def _read(
        self, addresses: Iterable[str] | AsyncIterable[str], queue: asyncio.Queue[Verdict | None]
    ) -> int:
        count = 0
        try:
            async for address in _each(addresses):
                await self.engine.room()
                self.engine.submit(address, queue.put_nowait)
                count += 1
                # Let the loop breathe: verdicts of malformed addresses come without any other wait.
                if count % 256 == 0:
                    await asyncio.sleep(0)
        finally:
            queue.put_nowait(None)
        return count


async def _each(addresses: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(addresses, AsyncIterable):
        async for address in addresses:
            yield address
    else:
        for address in addresses:
            yield address


def check(address: str, settings: Settings | None = None) -> Verdict:
    """Check one address and block until it is known; does not wait for greylists or cool-downs."""

    async def once() -> Verdict:
        async with Validator(at_once(settings or Settings())) as validator:
            return await validator.check(address)

    return asyncio.run(once())


def at_once(settings: Settings) -> Settings:
    """The same settings without returns and waits: the first answer is the verdict."""
    return replace(settings, greylist_delays=(), patience=0.0)
