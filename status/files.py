"""Files of one run, each written as a whole or not at all: others read them at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class StateError(ValueError):
    """A file of a run cannot be read or written; the text is one line."""


def write(path: Path, text: str) -> None:
    """Replace a file, making its folder where there is none.

    Raises:
        StateError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}") from None
