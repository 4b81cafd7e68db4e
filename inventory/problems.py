"""What is wrong with a fleet file: file, line, field, what is wrong, what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FieldPath = tuple[str | int, ...]
"""Keys and indices from the top of the file down to a value: ``("domains", 3, "name")``."""


@dataclass(frozen=True)
class Finding:
    """A problem as a check of the model sees it: it knows the place in the model, not yet the line.

    Args:
        path: the value complained about.
        wrong: what is wrong with it.
        right: what would be right.
    """

    path: FieldPath
    wrong: str
    right: str


@dataclass(frozen=True)
class Problem:
    """One problem of a file, printed as one line.

    Args:
        file: the file as the user named it.
        line: counted from 1; 0 where the file as a whole is meant.
        field: the value in the file's own terms (``domains[3].name``), empty for a problem of syntax.
        wrong: what is wrong.
        right: what would be right, or what to do.
    """

    file: str
    line: int
    field: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, f"{self.wrong}; {self.right}") if part)


class FleetError(ValueError):
    """A fleet file cannot be used; its text is one line for each problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def field_name(path: FieldPath) -> str:
    """Spell a path as a user would: ``("domains", 3, "name")`` is ``domains[3].name``."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier():
            name += f".{part}" if name else part
        else:
            name += f"[{part!r}]"
    return name
