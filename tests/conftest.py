"""Fixtures for every room."""

from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
pytest_plugins = ["tests.emulators"]

# How long an example takes says something of the machine, which others use at the same time, not of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share the tests out between two workers (`./run test`): one has those that boot hosts, from the start.

    The others go by their room, whose tests may share a server, or addresses of the loopback network.
    """
    items.sort(key=lambda item: item.get_closest_marker("lab") is None)
    for item in items:
        room = "lab" if item.get_closest_marker("lab") else item.path.relative_to(TESTS).parts[0]
        item.add_marker(pytest.mark.xdist_group(room))
