"""One job, four faults: a node killed, a node cut off, NATS and PostgreSQL killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.engine.field import ADDRESSES, OWNER, Field
from tests.engine.processes import Army

RATE = 400.0
"""Slow enough that a cut of a minute is in mid-job."""

CUT = 60.0


def faults(folder: Path) -> dict[str, Any]:
    """Strike, and count verdicts an address."""
    with Field(folder, 3, RATE) as field, field.army(3) as army:
        return asyncio.run(_run(field, army))


async def _run(field: Field, army: Army) -> dict[str, Any]:
    await field.awake(3)
    job = await field.submit()
    began = time.monotonic()
    done: dict[str, int] = {}

    async def now(name: str) -> None:
        done[name] = (await field.jobs.get(job, owner=OWNER)).done

    await field.until(job, lambda job: job.done > ADDRESSES // 20)
    await now("n2 cut off")
    field.network.cut("n2")
    cut = time.monotonic()
    await asyncio.sleep(5)
    await now("n1 killed")
    army.kill("n1")
    await asyncio.sleep(5)
    army.start("n1")
    await asyncio.sleep(5)
    await now("NATS killed")
    field.nats.stop(signal.SIGKILL)
    await asyncio.sleep(2)
    field.nats.start()
    await asyncio.sleep(8)
    await now("PostgreSQL killed")
    field.postgres.stop("immediate")
    await asyncio.sleep(2)
    field.postgres.start()
    await asyncio.sleep(max(0.0, CUT - (time.monotonic() - cut)))
    await now("n2 back")
    field.network.mend("n2")
    seconds = await field.until(job, lambda job: job.state.over) - began
    verdicts: Counter[int] = Counter()
    wrong: Counter[str] = Counter()
    async for row in field.jobs.results(job, owner=OWNER):
        verdicts[row["row"]] += 1
        wrong[f"{row['status']} {row['reason']} {row['stage']}"] += row["status"] != _truth(row["email"])
    return {
        "addresses": ADDRESSES,
        "seconds": round(seconds, 1),
        "done_when": done,
        "verdicts": verdicts.total(),
        "addresses_with_one": sum(count == 1 for count in verdicts.values()),
        "wrong": +wrong,
        "load": round(os.getloadavg()[0], 1),
        "kept": verdicts == Counter(range(1, ADDRESSES + 1)) and not +wrong and done["n2 back"] < ADDRESSES,
    }


def _truth(email: str) -> str:
    """What the mail server says: even users exist."""
    return "MAILBOX_NOT_FOUND" if int(email[1:].partition("@")[0]) % 2 else "VALID"
