"""Names on the wire: streams, consumers, subjects, and who may use which. Pure.

- `outreach.work.<queue>.<job>`: chunks, stream WORK, one shared pull consumer a queue.
- `outreach.verdict.<node>`: verdicts of a node, stream VERDICTS, read by the coordinator alone.
- `outreach.heartbeat.<node>`: a node is alive, what it holds, who asked it to be silent; not kept.
- `outreach.control`: the coordinator tells all nodes to drop a job, or that it has begun; not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

WORK, VERDICTS, COLLECTOR = "WORK", "VERDICTS", "coordinator"
CONTROL = "outreach.control"
EVERY_HEARTBEAT = "outreach.heartbeat.*"
EVERY_VERDICT = "outreach.verdict.*"
EVERY_WORK = "outreach.work.>"

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC_KEY = re.compile(r"U[A-Z2-7]{55}")


def token(name: str) -> str:
    """A name that may stand between two dots of a subject.

    Raises:
        ValueError: for anything else; a wildcard in a node's name would give it the subjects of others.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} cannot be part of a subject: only letters, digits, - and _")
    return name


def work(queue: str, job: str = "*") -> str:
    """Where chunks of a queue go; without a job the filter of the queue's consumer."""
    return f"outreach.work.{queue if queue == '*' else token(queue)}.{job if job == '*' else token(job)}"


def verdict(node: str) -> str:
    """Where a node's verdicts go."""
    return f"outreach.verdict.{token(node)}"


def heartbeat(node: str) -> str:
    """Where a node says that it is alive."""
    return f"outreach.heartbeat.{token(node)}"


def inbox(node: str) -> str:
    """Prefix of the subjects on which a node gets answers: no other node may listen there."""
    return f"_INBOX_{token(node)}"


def sender(subject: str) -> str:
    """The node that a verdict or a heartbeat came from; the server has checked that it is no other."""
    return subject.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one identity may do; everything else is refused by the server."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def node_permissions(node: str) -> Permissions:
    """A node pulls shared work, settles what it pulled, and speaks for itself only."""
    return Permissions(
        publish=(
            verdict(node),
            heartbeat(node),
            f"$JS.API.CONSUMER.MSG.NEXT.{WORK}.*",
            f"$JS.ACK.{WORK}.>",
        ),
        subscribe=(f"{inbox(node)}.>", CONTROL),
    )


@dataclass(frozen=True, slots=True)
class Server:
    """What the server is told besides who may come.

    Attributes:
        listen: Address and port for nodes.
        store: Directory of the streams.
        most_file: Bytes the streams may take together.
        monitor: Address and port of the monitoring pages; loopback.
        certificate: Path of the server's certificate; empty: no TLS, for loopback only.
        key: Path of its key.
    """

    listen: str
    store: str
    most_file: int = 4 << 30
    monitor: str = ""
    certificate: str = ""
    key: str = ""


def server_config(server: Server, coordinator: str, nodes: Mapping[str, str]) -> str:
    """The whole configuration of nats-server in one text.

    Raises:
        ValueError: for a name or key that is none.
    """
    return server_part(server) + accounts_part(coordinator, nodes)


def server_part(server: Server) -> str:
    """What the server is told of itself; a change of most of it takes a restart."""
    lines = [
        f"listen: {json.dumps(server.listen)}",
        "server_name: orchestrator",
        # A node that fell silent is noticed within a minute, and its open questions go to others.
        'ping_interval: "20s"',
        "ping_max: 2",
        "max_payload: 1MB",
        f"jetstream {{ store_dir: {json.dumps(server.store)}, max_mem: 64MB, max_file: {server.most_file} }}",
    ]
    if server.monitor:
        lines.append(f"http: {json.dumps(server.monitor)}")
    if server.certificate:
        paths = f"cert_file: {json.dumps(server.certificate)}, key_file: {json.dumps(server.key)}"
        lines.append(f"tls {{ {paths}, timeout: 5 }}")
    return "\n".join(lines) + "\n"


def accounts_part(coordinator: str, nodes: Mapping[str, str]) -> str:
    """Who may come, and what for; the running server takes a change up.

    Args:
        coordinator: Public nkey of the coordinator, which may use everything in the account.
        nodes: Public nkeys by node name.

    Returns:
        Text, the same for the same input, whatever the order of the nodes.

    Raises:
        ValueError: for a name or key that is none.
    """
    users = [f"      {{ nkey: {_key(coordinator)} }}"]
    for name in sorted(nodes):
        allowed = node_permissions(name)
        users.append(
            f"      {{ nkey: {_key(nodes[name])}, permissions: {{ publish: {_list(allowed.publish)}, "
            f"subscribe: {_list(allowed.subscribe)} }} }}"
        )
    head = ["accounts {", "  OUTREACH {", "    jetstream: enabled", "    users: ["]
    return "\n".join([*head, *users, "    ]", "  }", "}"]) + "\n"


def _key(text: str) -> str:
    if not _PUBLIC_KEY.fullmatch(text):
        raise ValueError(f"{text!r} is not the public nkey of a user")
    return text


def _list(subjects: tuple[str, ...]) -> str:
    return json.dumps(list(subjects))
