"""What a session needs from the scheduler that started it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from validator.route import Addresses, Host
from validator.settings import Settings
from validator.transport import Line, Link
from validator.trouble import Trouble
from validator.work import Domain, Job

if TYPE_CHECKING:
    from validator.session import Session


class Office(Protocol):
    """What a session needs from the engine that started it."""

    settings: Settings
    loop: asyncio.AbstractEventLoop

    def dial(self, ip: str, source: str, transcript: list[Line] | None) -> Awaitable[Link]:
        """Connect."""

    def addresses(self, host: str, source: str) -> Awaitable[Addresses]:
        """Where a host listens."""

    def ordered(self, domain: Domain) -> list[Host]:
        """The route, equals shuffled."""

    def invented(self, domain: str) -> str:
        """A local part nobody has; the same each time, so that a greylist knows it again."""

    def learned_catch_all(self, domain: Domain, accepts_all: bool | None) -> None:
        """The question is settled, one way or as unanswerable."""

    def settle(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Give the verdict."""

    def come_back(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Greylisted: again later from the same source, or give the verdict."""

    def put_off(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Throttled: again after the cool-down, or give the verdict."""

    def again(self, job: Job) -> None:
        """Back to the queue at once."""
