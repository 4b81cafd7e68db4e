"""Time-outs: each stage of a session has its own, and none outlives what it was for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from math import inf

import pytest

from validator.deadlines import Patience, Watch
from validator.dial import TcpConnector
from validator.transport import Link, LinkError

GREETING = b"220 here\r\n"


class Scripted(asyncio.Protocol):
    """Says each part of its script after another of ours; nothing once the script is over."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._say()

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - any command
        self._say()

    def _say(self) -> None:
        if self.script:
            self.transport.write(self.script.pop(0))  # type: ignore[attr-defined]  # TCP


async def talk(*script: bytes, timeout: float = 0.3) -> tuple[list[str], str]:
    """Banner, EHLO, MAIL, RCPT against the script: what was answered, and how it ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Scripted(*script), "127.0.0.1", 0)
    link = await TcpConnector()("127.0.0.1", server.sockets[0].getsockname()[1], "", 5.0, None)
    answered: list[str] = []
    ended = ""
    try:
        for command in ("", "ehlo", "mail", "rcpt"):
            data = b""
            if command:
                data = getattr(link.dialogue, command)({"ehlo": "me.test"}.get(command, "a@b.test"))
            answered += [answer.stage.value for answer in await link.exchange(data, timeout)]
    except LinkError as error:
        ended = error.kind
    gone: asyncio.Future[None] = loop.create_future()
    link.leave(lambda: gone.set_result(None), 0.2)
    await asyncio.wait_for(gone, 5)  # the good-bye of a silent server is not waited for without end
    server.close()
    return answered, ended


@pytest.mark.parametrize(
    ("script", "answered"),
    [
        ((), []),
        ((GREETING,), ["banner"]),
        ((GREETING, b"250 hello\r\n"), ["banner", "ehlo"]),
        ((GREETING, b"250 hello\r\n", b"250 ok\r\n"), ["banner", "ehlo", "mail"]),
        ((GREETING, b"250 hello\r\n", b"250 ok\r\n", b"550-no\r\n"), ["banner", "ehlo", "mail"]),
    ],
    ids=["banner", "ehlo", "mail", "rcpt", "half a reply"],
)
def test_a_server_that_falls_silent_is_a_timeout_at_that_stage(
    script: tuple[bytes, ...], answered: list[str]
) -> None:
    assert asyncio.run(talk(*script)) == (answered, "timeout")


def test_a_server_that_answers_in_time_is_no_timeout() -> None:
    script = (GREETING, b"250 hello\r\n", b"250 ok\r\n", b"550 no\r\n", b"221 bye\r\n")
    assert asyncio.run(talk(*script)) == (["banner", "ehlo", "mail", "rcpt"], "")


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """The port of a server that takes no connection: its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_a_connection_that_is_not_made_is_a_timeout_and_the_task_goes_on(full_backlog: int) -> None:
    async def dial() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            await TcpConnector()("127.0.0.1", full_backlog, "", 0.2, None)
        except LinkError as error:
            await asyncio.sleep(0)  # would raise if the task were still being cancelled
            return error.kind, task.cancelling()
        return "connected", 0

    assert asyncio.run(dial()) == ("timeout", 0)


def test_a_cancelled_wait_is_cancelled_not_late() -> None:
    async def scene() -> None:
        watch = Watch(asyncio.get_running_loop())

        async def wait() -> None:
            with Patience(watch, 60.0):
                await asyncio.sleep(60)

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_nobody_is_called_twice_and_the_timer_ends_with_the_last() -> None:
    class Waiter:
        def __init__(self, deadline: float) -> None:
            self.deadline = deadline
            self.calls = 0

        def expired(self) -> None:
            self.calls += 1

    async def scene() -> tuple[int, int, float]:
        loop = asyncio.get_running_loop()
        watch = Watch(loop)
        late, patient = Waiter(loop.time()), Waiter(loop.time() + 60)
        watch.add(late)
        watch.add(patient)
        await asyncio.sleep(0.8)
        watch.discard(late)
        watch.discard(patient)
        return late.calls, patient.calls, late.deadline

    assert asyncio.run(scene()) == (1, 0, inf)


def test_a_link_that_is_gone_keeps_nothing_alive() -> None:
    async def scene() -> object:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Scripted(GREETING), "127.0.0.1", 0)
        link = await TcpConnector()("127.0.0.1", server.sockets[0].getsockname()[1], "", 5.0, None)
        assert isinstance(link, Link)
        assert link.source_ip == "127.0.0.1"
        link.connection_lost(None)
        server.close()
        return link.source_ip

    assert asyncio.run(scene()) == ""
