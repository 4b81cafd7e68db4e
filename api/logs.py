"""The service's log: JSON lines on standard error, without keys, and without addresses unless asked.

An exception's text may quote what a caller sent, so only its type and the places it passed are written.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

access = logging.getLogger("api.access")


class JsonLines(logging.Formatter):
    """A record as JSON.

    Args:
        texts: Whether exceptions are written with their text.
    """

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        found |= getattr(record, "data", {})
        if record.exc_info and record.exc_info[1] is not None:
            found["exception"] = self._exception(record.exc_info[1])
        return json.dumps(found, ensure_ascii=True, default=str)

    def _exception(self, error: BaseException) -> str:
        places = traceback.extract_tb(error.__traceback__)
        trail = " > ".join(f"{place.filename}:{place.lineno} {place.name}" for place in places)
        text = f": {error}" if self._texts else ""
        return f"{type(error).__module__}.{type(error).__qualname__}{text} at {trail}"


def begin(*, addresses: bool) -> None:
    """Send every logger's records to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(texts=addresses))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
