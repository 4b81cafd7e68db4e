"""Reports of nodes into PostgreSQL: each address gets exactly one verdict, however often it is reported."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.chunks import Piece, domain_of
from engine.database import Connection
from engine.ledger import add_chunks, learn
from engine.messages import Report
from engine.operators import MISC, queues
from validator.status import Stage, Status
from validator.verdict import Verdict

log = logging.getLogger("engine")

PART = 25
"""Addresses in the parts of a chunk that nobody could finish; such a part is cut into single addresses."""

MOST_PROBLEMS = 10

INSERT = """
WITH given AS (
    SELECT DISTINCT ON (job, place) *
    FROM unnest(%(jobs)s::bigint[], %(places)s::integer[], %(statuses)s::text[], %(bodies)s::text[])
        WITH ORDINALITY AS g(job, place, status, body, nth)
    ORDER BY job, place, nth
), wanted AS (
    SELECT a.job, a.place, g.status, g.body, g.nth
    FROM given g JOIN engine.address a ON a.job = g.job AND a.place = g.place
    UNION ALL
    SELECT a.job, a.place, g.status, g.body, g.nth
    FROM given g JOIN engine.address a ON a.job = g.job AND a.twin = g.place
), fresh AS (
    SELECT w.* FROM wanted w
    WHERE NOT EXISTS (SELECT FROM engine.verdict v WHERE v.job = w.job AND v.place = w.place)
), kept AS (
    INSERT INTO engine.verdict (job, place, seq, status, body)
    SELECT f.job, f.place, j.done + row_number() OVER (PARTITION BY f.job ORDER BY f.nth, f.place),
        f.status, f.body::json
    FROM fresh f JOIN engine.job j ON j.n = f.job
    ON CONFLICT (job, place) DO NOTHING
    RETURNING job, status
)
SELECT job, status, count(*) AS count FROM kept GROUP BY job, status
"""


class Intake:
    """Writes reports, on one connection that nobody else uses at the same time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._learned: dict[str, str] = {}

    async def store(self, reports: Sequence[tuple[str, Report]]) -> Counter[str]:
        """Write reports, all or none of them; writing the same again changes nothing.

        Args:
            reports: Node and what it said, in the order of the stream.

        Returns:
            How many verdicts were new, by job id.
        """
        async with self._connection.transaction():
            # The lock gives verdicts their order, and keeps a cancelled job as it was when it was cancelled.
            cursor = await self._connection.execute(
                "SELECT n, id, state FROM engine.job WHERE id = ANY(%s) ORDER BY n FOR UPDATE",
                (sorted({report.job for _, report in reports}),),
            )
            jobs = {row["id"]: row for row in await cursor.fetchall()}
            numbers = {
                id_: row["n"] for id_, row in jobs.items() if row["state"] in ("QUEUED", "RUNNING", "PAUSED")
            }
            known = [(node, report) for node, report in reports if report.job in numbers]
            new = await self._verdicts(known, numbers)
            for node, report in known:
                await self._settle(numbers[report.job], node, report)
        names = {n: id_ for id_, n in numbers.items()}
        await self._learn(reports)
        return Counter({names[n]: count for n, count in new.items()})

    async def _verdicts(self, reports: Sequence[tuple[str, Report]], numbers: dict[str, int]) -> Counter[int]:
        rows = [
            (numbers[report.job], place, found["status"], _body(found))
            for _, report in reports
            for place, found in report.verdicts
        ]
        return await self._insert(rows)

    async def _insert(self, rows: Sequence[tuple[int, int, str, str]]) -> Counter[int]:
        if not rows:
            return Counter()
        jobs, places, statuses, bodies = (list(column) for column in zip(*rows, strict=True))
        cursor = await self._connection.execute(
            INSERT, {"jobs": jobs, "places": places, "statuses": statuses, "bodies": bodies}
        )
        new: Counter[int] = Counter()
        for row in await cursor.fetchall():
            new[row["job"]] += row["count"]
            await self._connection.execute(
                "INSERT INTO engine.tally (job, status, count) VALUES (%s, %s, %s)"
                " ON CONFLICT (job, status) DO UPDATE SET count = engine.tally.count + excluded.count",
                (row["job"], row["status"], row["count"]),
            )
        for job, count in new.items():
            await self._connection.execute(
                "UPDATE engine.job SET done = done + %(count)s,"
                " state = CASE WHEN done + %(count)s = total THEN 'DONE' ELSE state END,"
                " finished = CASE WHEN done + %(count)s = total THEN now() END WHERE n = %(job)s",
                {"count": count, "job": job},
            )
        return new

    async def _settle(self, job: int, node: str, report: Report) -> None:
        """What becomes of the chunk."""
        if report.back:
            await self._give_back(job, report)
        if report.tries:
            await self._isolate(job, node, report)
        elif report.over:
            # Over, if each address has its verdict; else what is left is handed out again. It may still be
            # WAITING: a quick node answers before it is noted that JetStream has the chunk.
            await self._connection.execute(
                """
                UPDATE engine.chunk c SET (state, turn) = (
                    SELECT CASE WHEN left_over THEN 'WAITING' ELSE 'OVER' END,
                        c.turn + CASE WHEN left_over THEN 1 ELSE 0 END
                    FROM (SELECT EXISTS (
                        SELECT FROM unnest(c.places) p WHERE (
                            SELECT v.seq FROM engine.verdict v WHERE v.job = c.job AND v.place = p) IS NULL
                    ) AS left_over) x
                )
                WHERE c.job = %s AND c.number = %s AND c.turn = %s AND c.state <> 'OVER'
                """,
                (job, report.number, report.turn),
            )

    async def _give_back(self, job: int, report: Report) -> None:
        chunk = await self._chunk(job, report)
        places = sorted(set(report.back) & set(chunk["places"])) if chunk else []
        if chunk and places:
            kept = sorted(set(chunk["places"]) - set(places))
            await self._connection.execute(
                "UPDATE engine.chunk SET places = %s WHERE job = %s AND number = %s",
                (kept, job, report.number),
            )
            await add_chunks(self._connection, job, [Piece(chunk["queue"], tuple(places))])

    async def _isolate(self, job: int, node: str, report: Report) -> None:
        """Take a chunk that nobody could finish apart, until the one address that does it is alone."""
        chunk = await self._chunk(job, report)
        if chunk is None:
            return
        await self._connection.execute(
            "UPDATE engine.chunk SET state = 'OVER' WHERE job = %s AND number = %s", (job, report.number)
        )
        places = chunk["places"]
        rows = f"rows {places[0]} to {places[-1]}"
        name = f"chunk {report.number} ({rows}) was given up after {report.tries} tries"
        log.warning("job %s: %s, the last by %s", report.job, name, node)
        if len(places) == 1:
            address = await self._address(job, places[0])
            details = f"No node could finish the check of this address in {report.tries} tries."
            verdict = Verdict(address, Status.UNKNOWN, "not_carried", details, 1.0, Stage.POLICY).to_dict()
            await self._insert([(job, places[0], Status.UNKNOWN.value, _body(verdict))])
            line = (
                f"row {places[0]} could not be checked: every node that tried gave up, {report.tries} in all"
            )
        else:
            size = PART if len(places) > PART else 1
            parts = [tuple(places[at : at + size]) for at in range(0, len(places), size)]
            await add_chunks(self._connection, job, [Piece(chunk["queue"], part) for part in parts])
            line = f"{name}; it goes on in {len(parts)} parts"
        await self._connection.execute(
            "UPDATE engine.job SET problems = problems || %s::text"
            " WHERE n = %s AND cardinality(problems) < %s",
            (line, job, MOST_PROBLEMS),
        )

    async def _chunk(self, job: int, report: Report) -> dict[str, Any] | None:
        cursor = await self._connection.execute(
            "SELECT queue, places FROM engine.chunk"
            " WHERE job = %s AND number = %s AND turn = %s AND state <> 'OVER'",
            (job, report.number, report.turn),
        )
        return await cursor.fetchone()

    async def _address(self, job: int, place: int) -> str:
        cursor = await self._connection.execute(
            "SELECT address FROM engine.address WHERE job = %s AND place = %s", (job, place)
        )
        row = await cursor.fetchone()
        return str(row["address"]) if row else ""

    async def _learn(self, reports: Sequence[tuple[str, Report]]) -> None:
        """Remember which domains a named operator serves: the next list of theirs is cut better."""
        routes: dict[str, str] = {}
        for _, report in reports:
            for _, found in report.verdicts:
                operator, domain = str(found.get("operator")), domain_of(str(found.get("email", "")))
                named = operator in queues() and operator != MISC and domain.isprintable()
                if named and self._learned.get(domain) != operator:
                    routes[domain] = self._learned[domain] = operator
        if len(self._learned) > 50_000:
            self._learned.clear()
        await learn(self._connection, routes)


def _body(found: dict[str, Any]) -> str:
    """What is stored of a verdict: all but the address, which is there already; in ASCII."""
    return json.dumps({key: value for key, value in found.items() if key != "email"})
