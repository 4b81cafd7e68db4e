"""What changed, as one message for the team."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from notifier import Report as Message
from status.difference import Change
from status.finding import Report
from status.render import told


def news(report: Report, changed: Sequence[Change]) -> tuple[Message, str]:
    """The message, and what makes it the same one.

    The same one again, where a run died before it noted what it told, is counted and not sent.
    """
    text = told(report, changed)
    what = hashlib.sha256(text.rpartition("\n")[0].encode()).hexdigest()[:16]
    return Message(f"Fleet {report.fleet}: {len(changed)} changed", text), f"status/{what}"
