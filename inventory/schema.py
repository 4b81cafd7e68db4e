"""The fleet file's JSON Schema, for editors: completion, documentation on hover, unknown keys underlined."""

from __future__ import annotations

import json

from inventory.model import Fleet


def schema() -> str:
    """Return the JSON Schema (draft 2020-12) of a fleet file, as the text of `fleet.schema.json`."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Fleet.model_json_schema()}
    return json.dumps(described, indent=2) + "\n"
