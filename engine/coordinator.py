"""The coordinator: cuts lists, hands chunks out through JetStream, takes verdicts in.

Nothing is kept in memory that may not be lost. What was accepted is in PostgreSQL; what is outside is in
JetStream and marked in PostgreSQL. Any error of either ends the *term*: all connections are dropped, and a
new term begins from what the two say. A second coordinator waits until the first one's lock is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from math import inf

import psycopg
from nats.errors import Error as NatsError

from engine import subjects
from engine.database import COORDINATOR_LOCK, connect, migrate
from engine.intake import Intake
from engine.ledger import Ledger
from engine.link import Link
from engine.link import connect as connect_nats
from engine.pace import Pace
from engine.term import Books, Routes, Term

log = logging.getLogger("engine")


AGAIN = 60.0
"""Seconds before the same trouble is told once more: a full disk ends a term each second."""


class Coordinator:
    """Runs until cancelled.

    Args:
        conninfo: libpq's connection string.
        link: NATS, with the coordinator's identity.
        pace: Times and sizes.
        routes: Asks DNS who takes the mail of domains not yet known; None: they go to the shared queue.
    """

    def __init__(
        self, conninfo: str, link: Link, *, pace: Pace | None = None, routes: Routes | None = None
    ) -> None:
        self._conninfo = conninfo
        self._link = link
        self._pace = pace or Pace()
        self._routes = routes

    async def run(self) -> None:
        """One term after the other; a term ends with the first error of PostgreSQL or NATS."""
        told, when = "", -inf
        while True:
            try:
                await self._term()
            except (psycopg.Error, NatsError, OSError) as error:
                line, now = _line(error), time.monotonic()
                if line != told or now - when > AGAIN:
                    log.error("%s; going on as soon as it answers", line)  # noqa: TRY400 - one line will do
                    told, when = line, now
                await asyncio.sleep(1.0)

    async def _term(self) -> None:
        await migrate(self._conninfo)
        async with (
            await connect(self._conninfo) as ours,
            await connect(self._conninfo) as intake,
            await connect(self._conninfo) as house,
        ):
            while True:
                cursor = await ours.execute("SELECT pg_try_advisory_lock(%s) AS got", (COORDINATOR_LOCK,))
                row = await cursor.fetchone()
                if row is not None and row["got"]:
                    break
                await asyncio.sleep(self._pace.poll)
            back = asyncio.Event()
            client = await connect_nats(
                self._link, name="coordinator", inbox=subjects.inbox("coordinator"), reconnected=back.set
            )
            try:
                books = Books(Ledger(ours), Intake(intake), Ledger(house))
                await Term(client, self._pace, books, self._routes).run(back)
            finally:
                await client.close()


def _line(error: BaseException) -> str:
    where = "PostgreSQL: " if isinstance(error, psycopg.Error) else ""
    return f"{where}{' '.join(str(error).split())[:300] or type(error).__name__}"
