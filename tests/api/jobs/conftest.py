"""A world of scripted servers, and jobs that reach it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api.jobs import Job, LocalJobs
from tests.validator.conftest import settings_for, world
from tests.validator.servers import Mx, World
from validator import Settings, Validator

__all__ = ["settings_for", "world"]

# Addresses of this room's servers; the validator's tests have others.
NET = "127.0.45"


def serve(place: World, domains: int, **server: Any) -> list[Mx]:
    """Exchangers for d0.test, d1.test and so on, where every user with an even number exists."""
    return [
        place.domain(f"d{n}.test", f"{NET}.{n + 1}", Mx(rcpt=even_exist, **server)) for n in range(domains)
    ]


def even_exist(local: str) -> str | None:
    return "250 2.1.5 Ok" if local[:1] == "u" and local[1:].isdigit() and int(local[1:]) % 2 == 0 else None


def asked(servers: Iterable[Mx]) -> Counter[str]:
    """How often each address was asked for, the invented ones left out."""
    return Counter(
        address
        for server in servers
        for session in server.sessions
        for address in session.recipients
        if address.startswith("u") and len(address.partition("@")[0]) < 8
    )


async def listed(addresses: Iterable[str]) -> AsyncIterator[str]:
    for address in addresses:
        yield address


@asynccontextmanager
async def opened(directory: Path, settings: Settings, **options: Any) -> AsyncIterator[LocalJobs]:
    async with (
        Validator(settings) as validator,
        LocalJobs(directory / "jobs.db", validator, **options) as jobs,
    ):
        yield jobs


async def all_rows(jobs: LocalJobs, job: Job, **options: Any) -> list[dict[str, Any]]:
    return [row async for row in jobs.results(job.id, owner=job.owner, **options)]


async def ended(jobs: LocalJobs, job: Job) -> Job:
    """The job once it is over."""
    async for _ in jobs.results(job.id, owner=job.owner, follow=True):
        pass
    return await jobs.get(job.id, owner=job.owner)
