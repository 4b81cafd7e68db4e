"""Fixtures for every room, and how `./run test` shares the tests out between two workers."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
pytest_plugins = ["tests.emulators"]

# How long an example takes says something of the machine, which others use at the same time, not of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@cache
def share(path: str) -> str:
    """What goes to one worker together: files that boot hosts, or else the tests of a room.

    A room's may have a server, or addresses of the loopback network, in common.
    """
    text = (TESTS.parent / path).read_text("utf-8")
    return "lab" if "mark.lab" in text else "/".join(path.split("/")[:2])


class Shares(LoadScopeScheduling):  # type: ignore[misc]  # the plugin has no types
    """Hands out shares whole. (The plugin's own groups are not seen by pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    """A worker has hosts to boot from the start, while the other has all the rest."""
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what takes longest."""
    items.sort(key=lambda item: share(item.nodeid.partition("::")[0]) != "lab")
