"""What the leads' sheet asks for, out of the operator's environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

VARIABLE = "OUTREACH_SHEET_HEADER"
_HEADER = re.compile(r"([A-Za-z0-9-]+): *(\S[^\r\n]*)")


class SheetError(ValueError):
    """The variable is no header; the message does not show it."""


def sheet_header(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Name and value of the header that n8n sends to the sheet; None where none is set.

    Raises:
        SheetError: it is not of the form `Authorization: Bearer ...`.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    found = _HEADER.fullmatch(text)
    if found is None:
        raise SheetError(f"{VARIABLE} is no header: write it as `Authorization: Bearer ...`")
    return found[1], found[2]
