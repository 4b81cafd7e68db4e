"""The engine's PostgreSQL: connecting, and bringing the schema up to date."""

from __future__ import annotations

from importlib.resources import files

import psycopg
from psycopg.rows import DictRow, dict_row

SCHEMA_LOCK, COORDINATOR_LOCK = 0x6F757401, 0x6F757402


Connection = psycopg.AsyncConnection[DictRow]


async def connect(conninfo: str) -> Connection:
    """Connect; each statement is a transaction of its own unless one is opened.

    Raises:
        psycopg.OperationalError: if the server cannot be reached.
    """
    return await psycopg.AsyncConnection[DictRow].connect(
        conninfo,
        autocommit=True,
        connect_timeout=10,
        application_name="outreach-engine",
        row_factory=dict_row,
    )


async def migrate(conninfo: str) -> int:
    """Apply what is missing of `migrations/`, in order, each once; safe to run from several processes.

    Returns:
        The schema's version.
    """
    async with await connect(conninfo) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        await connection.execute("CREATE SCHEMA IF NOT EXISTS engine")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS engine.migration (version integer PRIMARY KEY, "
            "applied timestamptz NOT NULL DEFAULT now())"
        )
        row = await (await connection.execute("SELECT max(version) AS v FROM engine.migration")).fetchone()
        version = int(row["v"] or 0) if row else 0
        for number, script in _scripts():
            if number > version:
                await connection.execute(script.encode())
                await connection.execute("INSERT INTO engine.migration (version) VALUES (%s)", (number,))
                version = number
        return version


def _scripts() -> list[tuple[int, str]]:
    folder = files("engine").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:3]), folder.joinpath(name).read_text("utf-8")) for name in names]
