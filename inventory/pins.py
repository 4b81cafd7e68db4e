"""Write homes into a fleet file's text: `node:` at each domain without one, and not a character elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from inventory import document


class PinError(ValueError):
    """A file is written in a way that pins cannot be put into; it says what to do."""


@dataclass(frozen=True)
class _Insertion:
    at: int
    text: str


def pin(text: str, homes: Mapping[str, str]) -> str:
    """Return `text` with `node:` written at each domain of `homes` that has none yet.

    Comments, order, quotes and line ends stay as they are. A bare name becomes ``{name: ..., node: ...}``.

    Args:
        text: a fleet file that loads.
        homes: node name by domain name.

    Raises:
        PinError: if the result would not say exactly what `text` says, and the pins.
    """
    root: Any = yaml.compose(text, Loader=yaml.CSafeLoader)
    entries = next(value for key, value in root.value if key.value == "domains").value
    edits = [edit for entry in entries for edit in _edits(text, entry, homes)]
    pinned = text
    for edit in sorted(edits, key=lambda edit: edit.at, reverse=True):
        pinned = pinned[: edit.at] + edit.text + pinned[edit.at :]
    _verify(text, pinned, homes)
    return pinned


def _edits(text: str, entry: Any, homes: Mapping[str, str]) -> list[_Insertion]:
    if isinstance(entry, yaml.ScalarNode):
        node = homes.get(entry.value)
        if node is None:
            return []
        return [
            _Insertion(entry.start_mark.index, "{name: "),
            _Insertion(entry.end_mark.index, f", node: {node}}}"),
        ]
    keys = {key.value: (key, value) for key, value in entry.value}
    key, name = keys["name"]
    node = homes.get(name.value)
    if node is None or "node" in keys:
        return []
    end = name.end_mark.index
    if entry.flow_style:
        return [_Insertion(end, f", node: {node}")]
    # After the line that holds the name, so that a comment there stays where it is.
    line_end = text.find("\n", end)
    indent = " " * key.start_mark.column
    if line_end < 0:
        return [_Insertion(len(text), f"\n{indent}node: {node}")]
    line_break = "\r\n" if text[line_end - 1] == "\r" else "\n"
    return [_Insertion(line_end + 1, f"{indent}node: {node}{line_break}")]


def _verify(text: str, pinned: str, homes: Mapping[str, str]) -> None:
    """Read both: they must differ by the pins and by nothing else."""
    wanted: Any = copy.deepcopy(document.parse(text))
    for at, entry in enumerate(wanted["domains"]):
        domain: dict[str, object] = {"name": entry} if isinstance(entry, str) else entry
        node = homes.get(str(domain["name"]))
        if node is not None and domain.get("node") is None:
            wanted["domains"][at] = domain | {"node": node}
    try:
        found = document.parse(pinned)
    except document.SyntaxProblem as problem:
        raise PinError(f"line {problem.line}: write its `node:` by hand; it cannot be added here") from None
    if found != wanted:
        raise PinError(
            "some domains are written in a way that pins cannot be added to; write `node:` by hand"
        )
