"""What schemathesis cannot know by itself."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import SerializationContext


@schemathesis.serializer("application/x-ndjson")
def lines(_context: SerializationContext, value: Any) -> bytes:
    """It has serializers for JSON, forms and text; NDJSON is text too."""
    return str(value).encode("utf-8", "surrogatepass")
