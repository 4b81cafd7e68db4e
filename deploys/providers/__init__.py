"""One small class per vendor: read -> typed state; apply(change)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from deploys.plan import Change
from deploys.world import Rented


class ProviderError(Exception):
    """A vendor refused, failed or could not be understood. Its text is one line.

    Args:
        vendor: `hetzner`, `contabo` or `cloudflare`.
        object: what was read or changed.
        cause: what the vendor said, or what happened to the connection.
        ambiguous: whether the request may have been carried out nonetheless.
    """

    def __init__(self, vendor: str, object: str, cause: str, *, ambiguous: bool = False) -> None:  # noqa: A002
        super().__init__(f"{vendor}: {object}: {' '.join(cause.split())}")
        self.vendor = vendor
        self.object = object
        self.ambiguous = ambiguous


@contextmanager
def understood(vendor: str, what: str) -> Iterator[None]:
    """Make an answer without the parts its API describes a :class:`ProviderError`."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        cause = f"the answer is not what the API describes ({type(error).__name__}: {error})"
        raise ProviderError(vendor, what, cause) from error


class ServerVendor(Protocol):
    """A vendor that rents out servers."""

    name: str

    def read(self) -> Rented:
        """What it holds that concerns the fleet.

        Raises:
            ProviderError: it cannot be read.
        """

    def apply(self, change: Change) -> Mapping[str, str]:
        """Carry out one change without holes; done already is done too. May be called from several threads.

        Returns:
            What it revealed: the values of holes, by their names.

        Raises:
            ProviderError: it was not, or not certainly, carried out.
        """
