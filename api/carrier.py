"""A node's part in the fleet's work, done by the same process that serves its callers.

Budgets belong to a source address, and are kept in a process' memory: so one process does all the asking from
it, and the fleet's work, the node's own jobs and `/validate` are one account.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.config import WorkerTable
from engine.link import Link
from engine.manner import Manner
from engine.together import wait
from engine.worker import Worker
from validator import Settings, Validator

log = logging.getLogger("api.carrier")

PAUSE = 5.0
"""Seconds between two attempts to begin."""

FAREWELL = 5.0
"""Seconds for the last reports when the service stops; its callers wait at the socket meanwhile."""


@asynccontextmanager
async def at_work(table: WorkerTable, settings: Settings, validator: Validator) -> AsyncIterator[None]:
    """Carry the fleet's work until the end; what is not finished then goes back.

    Args:
        table: NATS and this node's identity.
        settings: The validator's.
        validator: Open; shared with everybody else who asks from this address.
    """
    stop = asyncio.Event()
    task = asyncio.create_task(_carry(table, settings, validator, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _carry(table: WorkerTable, settings: Settings, validator: Validator, stop: asyncio.Event) -> None:
    """Begin again and again: NATS may come up after this host, and a fault here must not end the service."""
    link = Link(table.nats, str(table.seed), str(table.ca))
    told = ""
    while not stop.is_set():
        worker = Worker(table.node, link, settings, manner=Manner(farewell=FAREWELL), validator=validator)
        try:
            await worker.run(stop)
        except (ConnectionError, OSError) as error:
            if str(error) != told:
                log.warning("%s; tried again every %g seconds", error, PAUSE)
            told = str(error)
        except Exception:
            log.exception("the fleet's work was interrupted")
        else:
            return
        await wait(stop, PAUSE)
