"""A world of scripted servers for each test, and settings that reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.validator.servers import PORT, World
from validator import Settings, Timeouts, Validator, Verdict
from validator.operators import default_operators, lifted_operators

QUICK = Timeouts(connect=2, banner=1.5, command=1.5, goodbye=1)


@pytest.fixture
def world() -> Iterator[World]:
    with World() as made:
        yield made


def settings_for(world: World, **changes: Any) -> Settings:
    """Reach the world at full speed, without returns or waits unless asked for."""
    usual: dict[str, Any] = {
        "helo": "probe.test",
        "resolver": world.resolver,
        "smtp_port": PORT,
        "allow_private": True,
        "rate_limit": 0.0,
        "greylist_delays": (),
        "patience": 0.0,
        "timeouts": QUICK,
        "operators": lifted_operators(),
    }
    budget = changes.pop("budget", None)
    if budget is not None:
        usual["operators"] = default_operators({"operator": [{"name": "default", **budget}]})
    return Settings(**{**usual, **changes})


Check = Callable[..., list[Verdict]]


@pytest.fixture
def check(world: World) -> Check:
    """Check addresses together; verdicts in their order."""

    def run(*addresses: str, **changes: Any) -> list[Verdict]:
        async def all_of_them() -> list[Verdict]:
            async with Validator(settings_for(world, **changes)) as validator:
                return await asyncio.gather(*(validator.check(address) for address in addresses))

        return asyncio.run(all_of_them())

    return run
