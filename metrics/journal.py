"""The host's log, from a place in it on: ``journalctl --follow``, one JSON object a line."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

COMMAND = (
    "journalctl",
    "--follow",
    "--no-tail",
    "--output=json",
    "--output-fields=MESSAGE,SYSLOG_IDENTIFIER",
    # By the unit, which journald itself notes: nobody else's line can pass for Postfix's.
    "_SYSTEMD_UNIT=postfix.service",
)
_CHUNK = 1 << 16
_LONGEST = 1 << 20


class JournalError(Exception):
    """The log cannot be read on: one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    Attributes:
        cursor: its place.
        program: who wrote it.
        message: what.
        time: when it was written, seconds since 1970.
    """

    cursor: str
    program: str
    message: str
    time: float


class Journal:
    """The log, read on and on.

    Args:
        cursor: the last line that is known already; all that the log still has without it.
        command: prints the log.
    """

    def __init__(self, cursor: str = "", command: Sequence[str] = COMMAND) -> None:
        self.argv = [*command, *([f"--after-cursor={cursor}"] if cursor else [])]
        self._rest = b""

    def __enter__(self) -> Journal:
        """Start reading."""
        self._process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None  # noqa: S101 - asked for in the line above
        self._output = self._process.stdout.fileno()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading."""
        self._process.terminate()
        self._process.communicate()

    def read(self, seconds: float) -> Iterator[Entry]:
        """What the log says now; nothing when it says nothing for `seconds`.

        Raises:
            JournalError: it ended.
        """
        ready, _, _ = select.select([self._output], [], [], seconds)
        if not ready:
            return
        chunk = os.read(self._output, _CHUNK)
        if not chunk:
            raise JournalError(f"{self.argv[0]} ended with exit status {self._process.wait()}")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST:
            raise JournalError(f"{self.argv[0]} printed a line without end")
        for line in lines:
            if (entry := decode(line)) is not None:
                yield entry


def decode(line: bytes) -> Entry | None:
    """Read one line of its output (systemd.journal-fields(7)); None where it is no entry with a place.

    A message that is no UTF-8 comes as a list of bytes, one that is too long as null.
    """
    try:
        row = json.loads(line)
        message = row.get("MESSAGE")
        if isinstance(message, list):
            message = bytes(message).decode("utf-8", "replace")
        return Entry(
            cursor=str(row["__CURSOR"]),
            program=str(row.get("SYSLOG_IDENTIFIER", "")),
            message=message if isinstance(message, str) else "",
            time=int(row["__REALTIME_TIMESTAMP"]) / 1e6,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
