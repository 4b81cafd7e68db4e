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


LONGEST = ("hosts of tests/lab", "tests/deploys", "hosts of tests/deploys/nodes")
"""What takes longest is begun first, so that both workers end together."""


@cache
def share(path: str) -> str:
    """What goes to one worker together: the tests of a room, but those that boot hosts apart.

    A room's may have a server, or addresses of the loopback network, in common. Hosts are booted in a lab of
    its own by whoever needs them, and labs stand side by side; the files of a folder may have one in common.
    """
    if "mark.lab" in (TESTS.parent / path).read_text("utf-8"):
        return f"hosts of {path.rpartition('/')[0]}"
    return "/".join(path.split("/")[:2])


def rank(path: str) -> int:
    """When a share is begun."""
    name = share(path)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


class Shares(LoadScopeScheduling):  # type: ignore[misc]  # the plugin has no types
    """Hands out shares whole. (The plugin's own groups are not seen by pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Shares:
    """A worker that has nothing left takes the next share."""
    return Shares(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what takes longest."""
    items.sort(key=lambda item: rank(item.nodeid.partition("::")[0]))
