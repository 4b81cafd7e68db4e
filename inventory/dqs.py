"""The key of Spamhaus' Data Query Service, with which status asks Spamhaus, here and on the orchestrator."""

from __future__ import annotations

import re
from collections.abc import Mapping

VARIABLE = "SPAMHAUS_DQS_KEY"
CREDENTIAL = "spamhaus_dqs_key"
"""The same among the credentials of the orchestrator's unit."""

_KEY = re.compile(r"[A-Za-z0-9]{1,63}")  # it is a label of the names that are asked


class DqsKeyError(ValueError):
    """What is there is no key; the message does not show it."""


def dqs_key(environ: Mapping[str, str]) -> str:
    """Read it out of an environment; empty where none is set.

    Raises:
        DqsKeyError: it has characters that no key has.
    """
    key = environ.get(VARIABLE, "").strip()
    if key and not _KEY.fullmatch(key):
        raise DqsKeyError(f"{VARIABLE} is no key of Spamhaus' Data Query Service: letters and digits alone")
    return key
