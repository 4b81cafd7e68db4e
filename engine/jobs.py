"""Jobs as their owners see them: submitted, watched, stopped. Needs PostgreSQL alone, not NATS.

The coordinator, perhaps on another host, finds by itself what is changed here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import DictRow

from engine import accept
from engine.database import Connection, connect, migrate
from engine.model import (
    Job,
    JobNotFound,
    JobOver,
    NobodyAtWork,
    State,
    StorageBroken,
    StorageFull,
)

MOST_ADDRESSES = 1_000_000
PAGE = 1000
"""Verdicts read at once: bounds memory, whatever the list's length."""

ALIVE = 60.0
"""Seconds since a node's heartbeat for which its cool-downs are told."""


class FleetJobs:
    """The jobs of all owners.

    Args:
        conninfo: libpq's connection string.
        most: Addresses a job may have.
        poll: Seconds between two looks for new verdicts when results are followed.
    """

    def __init__(self, conninfo: str, *, most: int = MOST_ADDRESSES, poll: float = 0.5) -> None:
        self._conninfo = conninfo
        self._most = most
        self._poll = poll
        self._places = asyncio.Semaphore(8)  # connections: PostgreSQL has 100 for everybody

    async def migrate(self) -> None:
        """Bring the schema up to date.

        Raises:
            StorageBroken: if the database cannot be used.
        """
        try:
            await migrate(self._conninfo)
        except psycopg.Error as error:
            raise StorageBroken(f"the database cannot be used: {_line(error)}") from error

    async def submit(
        self, addresses: AsyncIterable[str], *, owner: str, key: str | None = None, express: bool = False
    ) -> Job:
        """Accept a list, whole or not at all; read as it comes, never held in memory.

        An address is stored as `messages.kept` says.

        Args:
            addresses: One item for each row, right or wrong.
            owner: Whose job it is.
            key: The same key with the same list gives the job that is there.
            express: Somebody waits for a short list: it goes before others, greylists and cool-downs are not
                waited for, and it is forgotten within hours.

        Raises:
            IdempotencyConflict, TooManyAddresses, StorageFull, StorageBroken: see there.
            Exception: whatever `addresses` raises; nothing is kept then.
        """
        # A younger job's id is the greater: `list` goes by it.
        id_ = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
        async with self._connection() as connection:
            async with connection.transaction():
                row = await _one(
                    connection,
                    "INSERT INTO engine.job (id, owner, key, digest, state, total, express)"
                    " VALUES (%s, %s, %s, '', 'QUEUED', 0, %s)"
                    " ON CONFLICT (owner, key) DO NOTHING RETURNING n",
                    (id_, owner, key, express),
                )
                if row is None:
                    id_ = await accept.repeated(connection, addresses, owner, key)
                else:
                    await accept.copy(connection, addresses, row["n"], self._most)
            return await _get(connection, id_, owner)

    async def get(self, id: str, *, owner: str) -> Job:  # noqa: A002 - the field's name
        """One job.

        Raises:
            JobNotFound, StorageBroken: see there.
        """
        async with self._connection() as connection:
            return await _get(connection, id, owner)

    async def list(self, *, owner: str, limit: int, before: str | None = None) -> list[Job]:
        """The owner's jobs, the youngest first; `before` an id for the next page.

        Raises:
            StorageBroken: see there.
        """
        async with self._connection() as connection:
            return await _jobs(
                connection,
                "owner = %(owner)s AND (%(before)s::text IS NULL OR id < %(before)s)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"owner": owner, "before": before, "limit": limit},
            )

    async def results(
        self,
        id: str,  # noqa: A002 - the field's name
        *,
        owner: str,
        after: int = 0,
        follow: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        """Verdicts in the order in which they became known: `{"seq": n, "row": place in the list, ...}`.

        The rest of a row is `validator.Verdict.to_dict()`. Nothing is ever added at or below a `seq` that was
        given out.

        Args:
            id: The job's.
            owner: Whose job it is.
            after: Only rows behind this `seq`.
            follow: Go on until the job is over; else end when all rows known so far are out.

        Raises:
            JobNotFound, StorageBroken: see there.
        """
        while True:
            # No connection is kept while the reader thinks: a slow one must not hold a place.
            async with self._connection() as connection:
                over = (await _get(connection, id, owner)).state.over
                page = await (await connection.execute(PAGE_OF_RESULTS, (id, after, PAGE))).fetchall()
            for row in page:
                after = row["seq"]
                yield {"seq": after, "row": row["place"], "email": row["address"], **row["body"]}
            if len(page) < PAGE:
                if over or not follow:
                    return
                await asyncio.sleep(self._poll)

    async def cancel(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Stop for good; verdicts known so far stay. A job that is over stays as it is.

        Raises:
            JobNotFound, StorageBroken: see there.
        """
        return await self._change(CANCEL, id, owner)

    async def pause(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Stop until `resume`; nothing known is lost. A paused job stays as it is.

        Raises:
            JobNotFound, JobOver, StorageBroken: see there.
        """
        return _still_open(await self._change(PAUSE, id, owner))

    async def resume(self, id: str, *, owner: str) -> Job:  # noqa: A002
        """Go on. A job that is not paused stays as it is.

        Raises:
            JobNotFound, JobOver, StorageBroken: see there.
        """
        return _still_open(await self._change(RESUME, id, owner))

    async def need_nodes(self) -> None:
        """See that somebody is there to do what is asked.

        Raises:
            NobodyAtWork, StorageBroken: see there.
        """
        async with self._connection() as connection:
            query = "SELECT name FROM engine.node WHERE seen > now() - make_interval(secs => %s) LIMIT 1"
            if await _one(connection, query, (ALIVE,)) is None:
                raise NobodyAtWork("no node is at work just now; POST /jobs keeps a list until one is")

    async def _change(self, statement: LiteralString, id_: str, owner: str) -> Job:
        async with self._connection() as connection:
            await connection.execute(statement, (id_, owner))
            return await _get(connection, id_, owner)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._places:
            try:
                async with await connect(self._conninfo) as connection:
                    yield connection
            except errors.DiskFull as error:
                raise StorageFull(f"the database has no space left: {_line(error)}") from error
            except psycopg.Error as error:
                raise StorageBroken(f"the database cannot be used: {_line(error)}") from error


CANCEL = """
UPDATE engine.job SET state = 'CANCELLED', finished = now()
WHERE id = %s AND owner = %s AND state IN ('QUEUED', 'RUNNING', 'PAUSED')
"""
PAUSE = (
    "UPDATE engine.job SET state = 'PAUSED' WHERE id = %s AND owner = %s AND state IN ('QUEUED', 'RUNNING')"
)
RESUME = "UPDATE engine.job SET state = 'QUEUED' WHERE id = %s AND owner = %s AND state = 'PAUSED'"

PAGE_OF_RESULTS = """
SELECT v.seq, v.place, a.address, v.body
FROM engine.job j
JOIN engine.verdict v ON v.job = j.n
JOIN engine.address a ON a.job = v.job AND a.place = v.place
WHERE j.id = %s AND v.seq > %s ORDER BY v.seq LIMIT %s
"""

JOBS = """
SELECT j.*,
    (SELECT coalesce(json_object_agg(t.status, t.count), '{}')
        FROM engine.tally t WHERE t.job = j.n) AS counts,
    (SELECT coalesce(array_agg(DISTINCT c), '{}') FROM engine.node n, unnest(n.cooling) c
        WHERE n.seen > now() - make_interval(secs => %(alive)s)) AS cooling,
    (SELECT coalesce(array_agg(line ORDER BY since), '{}') FROM engine.trouble) AS troubles
FROM engine.job j
"""


async def _one(connection: Connection, query: LiteralString, values: Sequence[Any]) -> DictRow | None:
    return await (await connection.execute(query, values)).fetchone()


async def _get(connection: Connection, id_: str, owner: str) -> Job:
    jobs = await _jobs(connection, "id = %(id)s AND owner = %(owner)s", {"id": id_, "owner": owner})
    if not jobs:
        raise JobNotFound(f"there is no job {id_}")
    return jobs[0]


async def _jobs(connection: Connection, where: LiteralString, values: dict[str, Any]) -> list[Job]:
    cursor = await connection.execute(JOBS + " WHERE " + where, {"alive": ALIVE, **values})
    return [_job(row) for row in await cursor.fetchall()]


def _job(row: DictRow) -> Job:
    state = State(row["state"])
    rate = row["rate"] if state is State.RUNNING else None
    lines = [*row["problems"], *([] if state.over else row["troubles"])]
    return Job(
        id=row["id"],
        owner=row["owner"],
        state=state,
        total=row["total"],
        done=row["done"],
        counts=row["counts"],
        created=row["created"].astimezone(UTC),
        finished=row["finished"].astimezone(UTC) if row["finished"] else None,
        error="; ".join(lines) or None,
        eta_seconds=(row["total"] - row["done"]) / rate if rate else None,
        rate=rate,
        cooling=() if state.over else tuple(row["cooling"]),
    )


def _still_open(job: Job) -> Job:
    if job.state.over:
        raise JobOver(f"job {job.id} is over: {job.state}")
    return job


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())[:300]
