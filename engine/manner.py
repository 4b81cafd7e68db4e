"""A node's times and sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Manner:
    """Times and sizes of a node; the defaults are for a fleet, tests have shorter ones.

    Attributes:
        progress: Seconds between two signs of life of a chunk; a third of the coordinator's `ack_wait`.
        heartbeat: Seconds between two signs of life of the node.
        contact: Seconds for NATS to answer; a node that waits longer takes itself for cut off. Less than the
            validator waits for any server.
        window: Addresses of a named operator begun at once.
        misc_window: Addresses of all other operators begun at once.
        low: Addresses left of a named operator at which its next chunk is asked for.
        most: Addresses in hand at once, those that wait for a greylist included.
        pull: Seconds for which one question for work stands.
        give_up: Seconds after which an address without a verdict gives the whole chunk to another node.
        farewell: Seconds for the last reports when the node stops.
    """

    progress: float = 10.0
    heartbeat: float = 5.0
    contact: int = 3
    window: int = 32
    misc_window: int = 300
    low: int = 8
    most: int = 5000
    pull: float = 30.0
    give_up: float = 4 * 3600.0
    farewell: float = 10.0
