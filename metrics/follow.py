"""The loop: read the log, count, and every so often keep and publish what was counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metrics.exposition import exposition
from metrics.journal import Entry, Journal
from metrics.keeping import Place, replace, save
from metrics.lines import parse
from metrics.queue import Queue
from metrics.tally import Tally

LONGEST_WAIT = 1.0


@dataclass
class Follower:
    """Counts a node's mail.

    Args:
        tally: the counters, perhaps taken up from an earlier run.
        place: where the log was left.
        state: file that keeps both.
        textfile: file that node-exporter reads.
        every: seconds between two publications.
        ask: asks Postfix what waits, given the time.
        clock: seconds since 1970.
    """

    tally: Tally
    place: Place
    state: Path
    textfile: Path
    every: float
    ask: Callable[[float], Queue | None]
    clock: Callable[[], float] = time.time

    def run(self, journal: Journal, stopped: Callable[[], bool]) -> None:
        """Follow the log until `stopped`, and keep what was counted until then.

        Raises:
            JournalError: the log ended.
            OSError: the disk takes nothing more.
        """
        due = self.clock()
        try:
            while not stopped():
                for entry in journal.read(min(LONGEST_WAIT, self.every)):
                    self.take(entry)
                # Also when the log is longer than one reading: a long one is kept piece by piece.
                if self.clock() >= due:
                    self.publish()
                    due = self.clock() + self.every
        finally:
            self.publish()

    def take(self, entry: Entry) -> None:
        """Count one line of the log."""
        event = parse(entry.program, entry.message)
        if event is not None:
            self.tally.take(event)
        self.place.cursor, self.place.time = entry.cursor, entry.time

    def publish(self) -> None:
        """Keep, then show."""
        save(self.state, self.tally, self.place)
        replace(self.textfile, exposition(self.tally, self.ask(self.clock()), self.place.time))
