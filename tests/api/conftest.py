"""One running service for most tests, with mail servers of known truth and an emulated Telegram."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.running import Running, running
from tests.notifier.conftest import SPEED, Telegram, telegram, telegram_process
from tests.validator.servers import Mx, World

__all__ = ["telegram", "telegram_process"]

# No other test's addresses: this world lives as long as the session.
GOOD, ALL, SLOW, GREY = "127.9.0.1", "127.9.0.2", "127.9.0.3", "127.9.0.4"


@pytest.fixture(scope="session")
def far_side() -> Iterator[dict[str, Mx]]:
    """Mail servers by domain, with the world they are in under an empty name."""
    with World() as world:
        servers = {
            "good.test": world.domain("good.test", GOOD, Mx(users={"anna", "bert"})),
            "all.test": world.domain("all.test", ALL, Mx(unknown="250 2.1.5 Ok")),
            "slow.test": world.domain("slow.test", SLOW, Mx(users={"anna"}, delay=0.1, ehlo=["slow"])),
            "grey.test": world.domain("grey.test", GREY, Mx(unknown="451 4.7.1 Greylisted, try again")),
        }
        Far.world = world
        yield servers


class Far:
    """Where the world is kept."""

    world: World


@pytest.fixture(scope="session")
def shared(
    far_side: dict[str, Mx], telegram_process: Telegram, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    service = Running(tmp_path_factory.mktemp("api"), Far.world)
    service.limits["validate_seconds"] = 20.0
    service.report("status", {"fleet": "test", "hosts": []})
    service.environ |= telegram_process.env | {"NOTIFIER_TEST_SPEED": str(SPEED)}
    with running(service):
        yield service


@pytest.fixture
def service(shared: Running) -> Running:
    """The running service; it must be alive after the test too."""
    assert shared.process is not None
    assert shared.process.poll() is None
    return shared


@pytest.fixture
def own(far_side: dict[str, Mx], tmp_path: Path) -> Iterator[Running]:
    """A service to be configured and started by the test."""
    made = Running(tmp_path, Far.world)
    yield made
    made.stop()


@pytest.fixture
def client(service: Running) -> Iterator[httpx.Client]:
    """A caller that may do everything."""
    with service.client() as found:
        yield found
