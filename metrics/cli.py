"""The `outreach-metrics` command: what the nodes' unit runs.

Exit codes: 0 stopped by a signal; 1 an error, in one line on stderr; 2 wrong usage.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from metrics.follow import Follower
from metrics.journal import Journal, JournalError
from metrics.keeping import load
from metrics.queue import ask
from metrics.tally import Tally

app = App(name="outreach-metrics", help="Count a node's mail, for Prometheus.")

DOMAINS, STATE = Path("/etc/outreach/metrics-domains"), Path("/var/lib/outreach-metrics/state.json")
TEXTFILE = Path("/run/outreach-metrics/mail.prom")
Seconds = Annotated[float, Parameter(validator=Number(gte=0.1, lte=3600))]


@app.command
def follow(
    *, domains: Path = DOMAINS, state: Path = STATE, textfile: Path = TEXTFILE, every: Seconds = 15.0
) -> int:
    """Follow Postfix's log until SIGTERM or SIGINT.

    Args:
        domains: the node's own domains, one a line.
        state: keeps counters and place in the log.
        textfile: what node-exporter reads.
        every: seconds between two publications.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        tally = Tally(domains.read_text("utf-8").split())
        place = load(state, tally)
        follower = Follower(tally, place, state, textfile, every, ask)
        with Journal(place.cursor) as journal:
            follower.run(journal, stopped.is_set)
    except JournalError as error:
        return _fail(str(error))
    except (OSError, UnicodeDecodeError) as error:
        return _fail(
            f"{getattr(error, 'filename', None) or domains}: {getattr(error, 'strerror', None) or error}"
        )
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"outreach-metrics: {message}\n")
    return 1


def main() -> None:
    """Run the command line; the exit status is the command's return value."""
    app()
