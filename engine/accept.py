"""A list into PostgreSQL: read as it comes, whole or not at all, within the caller's transaction."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable

from engine.database import Connection
from engine.messages import kept
from engine.model import IdempotencyConflict, JobNotFound, TooManyAddresses

ROWS = 2000
"""Addresses handed to PostgreSQL at once: bounds memory, whatever the list's length."""

TWINS = """
UPDATE engine.address a SET twin = f.first
FROM (
    SELECT lower(btrim(address)) AS text, min(place) AS first FROM engine.address
    WHERE job = %(job)s GROUP BY 1 HAVING count(*) > 1
) f
WHERE a.job = %(job)s AND lower(btrim(a.address)) = f.text AND a.place <> f.first
"""


async def copy(connection: Connection, addresses: AsyncIterable[str], job: int, most: int) -> None:
    """Store the list of a new job, and mark duplicates.

    Args:
        connection: In a transaction.
        addresses: One item for each row.
        job: The job's number.
        most: Addresses it may have.

    Raises:
        TooManyAddresses: see there.
        Exception: whatever `addresses` raises.
    """
    digest, total = _Digest(), 0
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY engine.address (job, place, address) FROM STDIN") as rows,
    ):
        lines: list[str] = []
        async for address in addresses:
            total += 1
            if total > most:
                raise TooManyAddresses(f"a job may have {most:,} addresses; this list has more")
            digest.add(address)
            lines.append(f"{job}\t{total}\t{_copied(address)}\n")
            if len(lines) == ROWS:
                await rows.write("".join(lines).encode())
                lines.clear()
        await rows.write("".join(lines).encode())
    # The planner has no statistics of rows that came this moment and would compare each with each.
    await connection.execute("SET LOCAL enable_nestloop = off")
    await connection.execute(TWINS, {"job": job})
    await connection.execute(
        "UPDATE engine.job SET total = %(total)s, digest = %(digest)s,"
        " state = CASE WHEN %(total)s = 0 THEN 'DONE' ELSE state END,"
        " finished = CASE WHEN %(total)s = 0 THEN now() END WHERE n = %(job)s",
        {"total": total, "digest": digest.value(), "job": job},
    )


async def repeated(connection: Connection, addresses: AsyncIterable[str], owner: str, key: str | None) -> str:
    """The id of the job that has the key already, if it has this very list.

    Raises:
        IdempotencyConflict, JobNotFound: see there.
        Exception: whatever `addresses` raises.
    """
    digest = _Digest()
    async for address in addresses:
        digest.add(address)
    cursor = await connection.execute(
        "SELECT id, digest FROM engine.job WHERE owner = %s AND key = %s", (owner, key)
    )
    row = await cursor.fetchone()
    if row is None:
        raise JobNotFound("the job of this key was pruned while its list came again; send it once more")
    if row["digest"] != digest.value():
        raise IdempotencyConflict("this idempotency key was used for another list")
    return str(row["id"])


class _Digest:
    """Of a list, however it was cut into rows."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, address: str) -> None:
        text = address.encode("utf-8", "surrogatepass")
        self._hash.update(b"%d:" % len(text) + text)

    def value(self) -> bytes:
        return self._hash.digest()


def _copied(address: str) -> str:
    """As COPY's text format writes it."""
    text = kept(address)
    if text.isalnum() or not any(char in text for char in "\\\t\n\r"):
        return text
    for char, written in ("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"):
        text = text.replace(char, written)
    return text
