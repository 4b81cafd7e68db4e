"""What can go wrong; every text is one line for a person."""

from __future__ import annotations


class BackupError(Exception):
    """A backup cannot be made, read or restored: what, and what to do."""


class DamagedError(BackupError):
    """An archive is not whole."""
