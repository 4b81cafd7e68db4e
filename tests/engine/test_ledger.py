"""What the coordinator asks of PostgreSQL costs as much as it is about, however long the lists are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from engine.database import connect, migrate
from engine.ledger import LOAD, Ledger
from tests.engine.servers import Postgres

LONG, CHUNK = 40_000, 500
JOBS = (900_001, 900_002)
"""The statistics know the first alone: a list that has just come is in none."""


_JOB = """INSERT INTO engine.job (n, id, owner, digest, state, total) OVERRIDING SYSTEM VALUE
VALUES (%s, 'ledger-' || %s, 'ledger', '', 'PAUSED', %s)"""
_LIST = "INSERT INTO engine.address SELECT %s, n, 'u' || n || '@a.test' FROM generate_series(1, %s) n"
_KNOWN = """INSERT INTO engine.verdict (job, place, seq, status, body)
SELECT %s, n, n, 'VALID', '{}' FROM generate_series(%s, %s) n"""
_CHUNK = """INSERT INTO engine.chunk (job, number, queue, places)
SELECT %s, 1, 'misc', array_agg(n) FROM generate_series(1, %s) n"""
_FORGET = (
    "DELETE FROM engine.verdict WHERE job = ANY(%s)",
    "DELETE FROM engine.address WHERE job = ANY(%s)",
    "DELETE FROM engine.job WHERE n = ANY(%s)",
)


@pytest.fixture
def lists(postgres: Postgres) -> Iterator[None]:
    asyncio.run(migrate(postgres.conninfo))
    for job in JOBS:
        postgres.rows(_JOB, job, job, LONG)
        postgres.rows(_LIST, job, LONG)
        postgres.rows(_KNOWN, job, CHUNK // 2 + 1, LONG)
        postgres.rows(_CHUNK, job, CHUNK)
        if job == JOBS[0]:
            postgres.rows("ANALYZE engine.address, engine.verdict, engine.chunk")
    yield
    for statement in _FORGET:
        postgres.rows(statement, list(JOBS))


@pytest.mark.usefixtures("lists")
def test_a_chunk_is_read_without_the_rest_of_its_list(postgres: Postgres) -> None:
    for job in JOBS:
        ((plan,),) = postgres.rows("EXPLAIN (ANALYZE, FORMAT JSON) " + LOAD, job, 1)
        assert most_rows(plan[0]["Plan"]) <= CHUNK


@pytest.mark.usefixtures("lists")
def test_of_a_chunk_those_without_a_verdict_are_handed_out(postgres: Postgres) -> None:
    async def load() -> Any:
        async with await connect(postgres.conninfo) as connection:
            return await Ledger(connection).load(JOBS[1], 1)

    chunk = asyncio.run(load())
    assert chunk.rows == tuple((place, f"u{place}@a.test") for place in range(1, CHUNK // 2 + 1))


def most_rows(node: dict[str, Any]) -> float:
    """The most rows that a step of a plan has looked at."""
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    seen = float(sum(node.get(kind, 0) for kind in kinds) * node["Actual Loops"])
    return max([seen, *(most_rows(child) for child in node.get("Plans", ()))])
