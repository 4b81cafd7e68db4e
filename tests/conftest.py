"""Fixtures for every room."""

from hypothesis import settings

pytest_plugins = ["tests.emulators"]

# How long an example takes says something of the machine, which others use at the same time, not of the code.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
