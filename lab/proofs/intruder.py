"""Try with a node's identity what is not its own: runs on a node, with the release's Python.

intruder.py NODE OTHER      prints a JSON object: what was refused, what was not and should have been
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tomllib
from pathlib import Path
from typing import Any

import nats
import nkeys

SECONDS = 1.5
"""The server tells of a refusal at once; what it is silent about for so long is allowed."""


async def attempts(link: dict[str, str], node: str, other: str) -> dict[str, list[str]]:
    """What the server says of what is the node's own, and of what is not."""
    heard: list[str] = []

    async def on_error(error: Exception) -> None:
        heard.append(str(error))

    seed = Path(link["seed"]).read_text().strip()
    client = await _connect(link, seed, inbox_prefix=f"_INBOX_{node}", error_cb=on_error)
    own = [f"outreach.heartbeat.{node}"]
    others = [f"outreach.verdict.{other}", f"outreach.heartbeat.{other}", "outreach.control"]
    others += ["outreach.work.misc.job", "$JS.API.STREAM.DELETE.WORK", "$JS.API.STREAM.PURGE.WORK"]
    for subject in (*own, *others):
        await client.publish(subject, b"")
    for subject in (f"_INBOX_{other}.>", f"outreach.verdict.{other}", "outreach.work.>"):
        await client.subscribe(subject)
        others.append(subject)
    await client.flush()
    await asyncio.sleep(SECONDS)
    await client.close()

    def refused(subject: str) -> bool:
        return any(f'"{subject.lower()}"' in text.lower() for text in heard)

    return {
        "refused": [subject for subject in others if refused(subject)],
        "wrongly allowed": [subject for subject in others if not refused(subject)],
        "wrongly refused": [subject for subject in own if refused(subject)],
    }


async def stranger(link: dict[str, str]) -> str:
    """What somebody hears whom the server does not know."""
    seed = nkeys.encode_seed(b"stranger".ljust(32), nkeys.PREFIX_BYTE_USER).decode()
    try:
        client = await _connect(link, seed)
    except Exception as error:  # whatever it is, its words are the answer
        return str(error)
    await client.close()
    return "nothing: it was let in"


async def _connect(link: dict[str, str], seed: str, **options: Any) -> Any:
    trusted = ssl.create_default_context(cafile=link["ca"])
    return await nats.connect(
        link["nats"], tls=trusted, nkeys_seed_str=seed, allow_reconnect=False, connect_timeout=5, **options
    )


def main() -> None:
    """Do what the command line says."""
    link = tomllib.loads(Path("/etc/outreach/api.toml").read_text())["worker"]
    node, other = sys.argv[1:]
    found: dict[str, Any] = asyncio.run(attempts(link, node, other))
    found["stranger"] = asyncio.run(stranger(link))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
