"""What is kept between two runs: counters and the place in the log, in one file that is whole or not there.

The place is that of the last line counted, so that a run that was killed is taken up without losing or
repeating a line. What is published is what was kept before: a figure that Prometheus has seen does not come
back smaller.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from metrics.tally import Tally

VERSION = 1
logger = logging.getLogger(__name__)


@dataclass
class Place:
    """How far the log was read: the last line's cursor, and its time."""

    cursor: str = ""
    time: float = 0.0


def load(path: Path, tally: Tally) -> Place:
    """Take up what was kept.

    Args:
        path: the file.
        tally: gets the counters.

    Returns:
        The place in the log to go on from; its beginning where nothing usable was kept, told in one line.
    """
    try:
        kept = json.loads(path.read_text("utf-8"))
        if not isinstance(kept, dict) or kept.get("version") != VERSION:
            raise ValueError("it is of another version")
        place = Place(str(kept["cursor"]), float(kept["time"]))
        tally.restore(kept["tally"])
    except FileNotFoundError:
        return Place()
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("%s is unusable, counting begins anew: %s", path, error)
        return Place()
    return place


def save(path: Path, tally: Tally, place: Place) -> None:
    """Keep it.

    Raises:
        OSError: the disk does not take it.
    """
    kept = {"version": VERSION, "cursor": place.cursor, "time": place.time, "tally": tally.as_json()}
    replace(path, json.dumps(kept, separators=(",", ":")).encode(), sync=True)


def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file whole or not at all; others may read it.

    Raises:
        OSError: the disk does not take it.
    """
    beside = path.with_name(f".{path.name}.new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    beside.replace(path)
