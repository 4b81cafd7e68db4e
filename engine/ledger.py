"""What the coordinator reads and writes in PostgreSQL about chunks: cutting, handing out, taking back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from engine.chunks import Item, Piece, domain_of
from engine.database import Connection
from engine.messages import Chunk, Pulse, size
from engine.operators import EXPRESS

BLOCK = 20_000
"""Addresses cut at once: enough to fill chunks of every operator, few enough to hold in memory."""

MOST_WAITING = 400
"""Chunks of a job that may lie cut and not handed out: a list of one operator is not cut to its end ahead."""

ROUTE_DAYS = 7

EXPRESS_KEPT = 3600.0
"""Seconds for which a job whose caller waited is kept after its end: the answer was given."""

# Scalar subqueries, which PostgreSQL answers place by place from the primary keys. Joined, the tables are
# read for the whole job as soon as their statistics are older than the job, once for each of its chunks.
LOAD: LiteralString = """
SELECT j.id, c.turn, c.queue, p.place,
    (SELECT a.address FROM engine.address a WHERE a.job = c.job AND a.place = p.place) AS address
FROM engine.chunk c JOIN engine.job j ON j.n = c.job CROSS JOIN unnest(c.places) AS p(place)
WHERE c.job = %s AND c.number = %s
AND (SELECT v.seq FROM engine.verdict v WHERE v.job = c.job AND v.place = p.place) IS NULL
ORDER BY p.place
"""


@dataclass(frozen=True, slots=True)
class Block:
    """The next part of a list.

    Attributes:
        job: The job's number.
        until: Place of its last address.
        last: No more follows.
        items: What is to be cut; operators not filled in.
        express: Its caller waits.
    """

    job: int
    until: int
    last: bool
    items: tuple[Item, ...]
    express: bool = False


class Ledger:
    """Statements on one connection that nobody else uses at the same time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- cutting ----------------------------------------------------------------------------------

    async def next_block(self) -> Block | None:
        """The next part of the job with the fewest chunks waiting, but first of one whose caller waits.

        None if every list is cut far enough.
        """
        row = await self._one(
            """
            SELECT j.n, j.cut, j.total, j.express FROM engine.job j
            LEFT JOIN engine.chunk c ON c.job = j.n AND c.state = 'WAITING'
            WHERE j.state IN ('QUEUED', 'RUNNING') AND j.cut < j.total
            GROUP BY j.n HAVING count(c) < %s
            ORDER BY j.express DESC, count(c), j.n LIMIT 1
            """,
            (MOST_WAITING,),
        )
        if row is None:
            return None
        until = min(row["cut"] + BLOCK, row["total"])
        cursor = await self._connection.execute(
            "SELECT place, address FROM engine.address"
            " WHERE job = %s AND place > %s AND place <= %s AND twin IS NULL ORDER BY place",
            (row["n"], row["cut"], until),
        )
        items = tuple(
            Item(found["place"], size(found["address"]), domain_of(found["address"]))
            for found in await cursor.fetchall()
        )
        return Block(row["n"], until, until == row["total"], items, row["express"])

    async def routes(self, domains: Iterable[str]) -> dict[str, str]:
        """Operators of domains, as far as learned within a week."""
        cursor = await self._connection.execute(
            "SELECT domain, operator FROM engine.route"
            " WHERE domain = ANY(%s) AND learned > now() - make_interval(days => %s)",
            (list(domains), ROUTE_DAYS),
        )
        return {row["domain"]: row["operator"] for row in await cursor.fetchall()}

    async def learn(self, routes: Mapping[str, str]) -> None:
        """Keep who takes the mail of domains."""
        await learn(self._connection, routes)

    async def add_chunks(self, block: Block, pieces: Sequence[Piece]) -> None:
        """Keep the chunks of a block, and that it is cut: both or neither."""
        async with self._connection.transaction():
            row = await self._one(
                "UPDATE engine.job SET cut = %s,"
                " state = CASE state WHEN 'QUEUED' THEN 'RUNNING' ELSE state END"
                " WHERE n = %s AND cut < %s RETURNING n",
                (block.until, block.job, block.until),
            )
            if row is not None:
                await add_chunks(self._connection, block.job, pieces)

    # --- handing out ------------------------------------------------------------------------------

    async def queues_waiting(self) -> list[str]:
        """Queues that something could be handed out to, first that of callers who wait."""
        cursor = await self._connection.execute(
            "SELECT DISTINCT c.queue, c.queue <> %s AS later"
            " FROM engine.chunk c JOIN engine.job j ON j.n = c.job"
            " WHERE c.state = 'WAITING' AND j.state IN ('QUEUED', 'RUNNING') ORDER BY later, c.queue",
            (EXPRESS,),
        )
        return [row["queue"] for row in await cursor.fetchall()]

    async def waiting(self, queue: str, most: int) -> list[tuple[int, int]]:
        """Chunks to hand out next, as (job, number): jobs take turns, what they have outside counts."""
        cursor = await self._connection.execute(
            """
            SELECT w.job, w.number FROM (
                SELECT c.job, c.number, row_number() OVER (PARTITION BY c.job ORDER BY c.number) AS turn
                FROM engine.chunk c JOIN engine.job j ON j.n = c.job
                WHERE c.state = 'WAITING' AND c.queue = %(queue)s AND j.state IN ('QUEUED', 'RUNNING')
            ) w
            LEFT JOIN (
                SELECT job, count(*) AS sent FROM engine.chunk
                WHERE state = 'SENT' AND queue = %(queue)s GROUP BY job
            ) s ON s.job = w.job
            ORDER BY w.turn + coalesce(s.sent, 0), w.job LIMIT %(most)s
            """,
            {"queue": queue, "most": most},
        )
        return [(row["job"], row["number"]) for row in await cursor.fetchall()]

    async def load(self, job: int, number: int) -> Chunk | None:
        """A chunk with those of its addresses that have no verdict; None, and it is over, if none is left."""
        cursor = await self._connection.execute(LOAD, (job, number))
        rows = await cursor.fetchall()
        if not rows:
            await self._connection.execute(
                "UPDATE engine.chunk SET state = 'OVER' WHERE job = %s AND number = %s", (job, number)
            )
            return None
        head = rows[0]
        addresses = tuple((row["place"], row["address"]) for row in rows)
        return Chunk(head["id"], number, head["turn"], head["queue"], addresses)

    async def sent(self, job: int, chunk: Chunk) -> None:
        """JetStream has stored this turn of the chunk."""
        await self._connection.execute(
            "UPDATE engine.chunk SET state = 'SENT', sent = now()"
            " WHERE job = %s AND number = %s AND turn = %s AND state = 'WAITING'",
            (job, chunk.number, chunk.turn),
        )
        await self._connection.execute(
            "UPDATE engine.job SET state = 'RUNNING' WHERE n = %s AND state = 'QUEUED'", (job,)
        )

    # --- taking back ------------------------------------------------------------------------------

    async def halted(self) -> list[str]:
        """Jobs that are paused or over and still have chunks outside."""
        cursor = await self._connection.execute(
            "SELECT id FROM engine.job j WHERE state NOT IN ('QUEUED', 'RUNNING')"
            " AND EXISTS (SELECT FROM engine.chunk c WHERE c.job = j.n AND c.state = 'SENT')"
        )
        return [row["id"] for row in await cursor.fetchall()]

    async def recall(self, job: str) -> None:
        """What is outside waits again, or is over with its job; old turns count no more."""
        await self._connection.execute(
            "UPDATE engine.chunk c SET turn = turn + 1,"
            " state = CASE j.state WHEN 'DONE' THEN 'OVER' WHEN 'CANCELLED' THEN 'OVER' ELSE 'WAITING' END"
            " FROM engine.job j WHERE j.id = %s AND c.job = j.n AND c.state = 'SENT'",
            (job,),
        )

    async def lost(self, queue: str, older: float) -> int:
        """Hand out anew what was sent `older` seconds ago or earlier: no stream holds it any more."""
        cursor = await self._connection.execute(
            "UPDATE engine.chunk SET turn = turn + 1, state = 'WAITING'"
            " WHERE state = 'SENT' AND queue = %s AND sent < now() - make_interval(secs => %s)",
            (queue, older),
        )
        return cursor.rowcount

    async def outside(self) -> dict[str, int]:
        """Chunks handed out and not over, by queue."""
        cursor = await self._connection.execute(
            "SELECT queue, count(*) AS count FROM engine.chunk WHERE state = 'SENT' GROUP BY queue"
        )
        return {row["queue"]: row["count"] for row in await cursor.fetchall()}

    # --- keeping house ----------------------------------------------------------------------------

    async def pulses(self, pulses: Mapping[str, Pulse]) -> None:
        """Keep what nodes said of themselves."""
        if pulses:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO engine.node (name, seen, active, chunks, cooling)"
                    " VALUES (%s, now(), %s, %s, %s) ON CONFLICT (name) DO UPDATE"
                    " SET seen = now(), active = excluded.active, chunks = excluded.chunks,"
                    " cooling = excluded.cooling",
                    [(name, p.active, p.chunks, list(p.cooling)) for name, p in pulses.items()],
                )

    async def rates(self, rates: Mapping[str, float]) -> None:
        """Keep verdicts a second by job id."""
        if rates:
            await self._connection.execute(
                "UPDATE engine.job j SET rate = r.rate FROM unnest(%s::text[], %s::real[]) r(id, rate)"
                " WHERE j.id = r.id AND j.state = 'RUNNING'",
                (list(rates), list(rates.values())),
            )

    async def trouble(self, what: str, line: str) -> None:
        """Keep one line for people; an empty one says that it is over."""
        if line:
            await self._connection.execute(
                "INSERT INTO engine.trouble (what, line) VALUES (%s, %s)"
                " ON CONFLICT (what) DO UPDATE SET line = excluded.line",
                (what, line),
            )
        else:
            await self._connection.execute("DELETE FROM engine.trouble WHERE what = %s", (what,))

    async def prune(self, keep_days: float) -> int:
        """Forget jobs that have been over so long, express ones after an hour; one transaction each."""
        cursor = await self._connection.execute(
            "SELECT n FROM engine.job WHERE finished < now() - make_interval(secs =>"
            " CASE WHEN express THEN least(%(express)s, %(keep)s) ELSE %(keep)s END)",
            {"express": EXPRESS_KEPT, "keep": keep_days * 86400},
        )
        old = [row["n"] for row in await cursor.fetchall()]
        for job in old:
            async with self._connection.transaction():
                await self._connection.execute("DELETE FROM engine.verdict WHERE job = %s", (job,))
                await self._connection.execute("DELETE FROM engine.address WHERE job = %s", (job,))
                await self._connection.execute("DELETE FROM engine.job WHERE n = %s", (job,))
        return len(old)

    async def _one(self, query: Any, values: Sequence[Any]) -> dict[str, Any] | None:
        return await (await self._connection.execute(query, values)).fetchone()


async def add_chunks(connection: Connection, job: int, pieces: Sequence[Piece]) -> None:
    """Append chunks to a job, within the caller's transaction."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO engine.chunk (job, number, queue, places)"
            " SELECT %s, coalesce(max(number), 0) + 1, %s, %s::integer[] FROM engine.chunk WHERE job = %s",
            [(job, piece.queue, list(piece.places), job) for piece in pieces],
        )


async def learn(connection: Connection, routes: Mapping[str, str]) -> None:
    """Keep the operators of domains, as known now."""
    if routes:
        await connection.execute(
            "INSERT INTO engine.route (domain, operator) SELECT * FROM unnest(%s::text[], %s::text[])"
            " ON CONFLICT (domain) DO UPDATE SET operator = excluded.operator, learned = now()",
            (list(routes), list(routes.values())),
        )
