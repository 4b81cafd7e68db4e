"""What carries the fleet's work, on the orchestrator: NATS' streams, the coordinator, the nodes it hears."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from status.probe.commands import Unread, get, psql

PORT, MONITOR = 4222, 8222
"""Of NATS: where nodes come, and its monitoring pages on loopback."""
_STREAMS = "/jsz?accounts=true&streams=true&consumers=true&config=true"
# The coordinator at work holds an advisory lock: COORDINATOR_LOCK of `engine.database`.
_ENGINE = """
SELECT json_build_object(
    'at_work', (
        SELECT extract(epoch FROM now() - backend_start)
        FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND classid = 0 AND objid = 1869968386 AND objsubid = 1 AND granted
        LIMIT 1
    ),
    'nodes', (
        SELECT coalesce(json_object_agg(name, extract(epoch FROM now() - seen)), '{}') FROM engine.node
    ),
    'troubles', (SELECT coalesce(json_object_agg(what, line), '{}') FROM engine.trouble)
)"""


def nats(monitor: int = MONITOR) -> dict[str, Any]:
    """Streams with their consumers added up, and the names of who is connected."""
    status, text = get(monitor, _STREAMS)
    if status != 200:
        raise Unread(f"NATS answers {status}")
    said = json.loads(text)
    now = _moment(said["now"])
    streams = {
        stream["name"]: _stream(stream, now)
        for account in said.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
    }
    connections = json.loads(get(monitor, "/connz?limit=100000")[1])["connections"]
    return {
        "jetstream": not said.get("disabled", False),
        "streams": streams,
        "connected": [one["name"] for one in connections if one.get("name")],
    }


def _stream(stream: dict[str, Any], now: float) -> dict[str, Any]:
    state, consumers = stream["state"], stream.get("consumer_detail") or ()
    return {
        "messages": state["messages"],
        "bytes": state["bytes"],
        "most": stream["config"]["max_bytes"],
        # What is settled leaves a stream, so its first message is the one that waits longest.
        "oldest": now - _moment(state["first_ts"]) if state["messages"] else 0.0,
        "unsettled": sum(consumer["num_ack_pending"] for consumer in consumers),
        "redelivered": sum(consumer["num_redelivered"] for consumer in consumers),
    }


def _moment(text: str) -> float:
    # Nanoseconds are more than Python keeps.
    return datetime.fromisoformat(text[:19] + "+00:00").timestamp()


def engine() -> Any:
    """How long the coordinator has been at work, when it heard each node, and what stands in its way."""
    return psql("engine", _ENGINE)
