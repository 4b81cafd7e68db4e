"""What of an n8n workflow decides what it does: by it deploys and status tell an edit from a date. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_OUR_SETTINGS = {"executionOrder", "timezone", "errorWorkflow"}


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a workflow's meaning, in hexadecimal; of nonsense too, which somebody may have stored."""
    return hashlib.sha256(json.dumps(meaning(document), sort_keys=True).encode()).hexdigest()


def meaning(document: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a workflow does; the rest (dates, versions, view state) n8n changes by itself.

    Settings that n8n adds on its own, with values we never gave, are not ours to compare.
    """
    settings = document.get("settings") or {}
    if isinstance(settings, Mapping):
        settings = {key: value for key, value in settings.items() if key in _OUR_SETTINGS}
    return {
        "name": document.get("name"),
        "nodes": _nodes(document.get("nodes")),
        "connections": document.get("connections") or {},
        "settings": settings,
    }


def _nodes(nodes: object) -> object:
    """In an order that does not matter to n8n, without what is empty; as it is, if these are no nodes."""
    if not isinstance(nodes, list) or not all(isinstance(node, Mapping) for node in nodes):
        return nodes
    full = [{key: value for key, value in node.items() if value not in (None, {}, [])} for node in nodes]
    return sorted(full, key=lambda node: str(node.get("id")))
