"""`outreach fleet`: is the file right, what does it amount to, where does everything live."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cli import fail
from inventory import Allocation, Fleet, FleetError, Server, allocate, evacuate, load_fleet
from inventory.pins import PinError, pin
from inventory.schema import schema as fleet_schema

app = App(name="fleet")

FleetFile = Annotated[Path, Parameter(name="--fleet", env_var="OUTREACH_FLEET", help="The fleet file.")]
DEFAULT_FILE = Path("fleet.yaml")


def read_fleet(path: Path) -> Fleet:
    """Load a fleet file for a command; its problems go to stderr, one line each, and end it with 1."""
    try:
        return load_fleet(path)
    except FleetError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


@app.command
def check(fleet: FleetFile = DEFAULT_FILE) -> None:
    """Say what is wrong with the fleet file, one line each with its place; exit 1 if anything is."""
    allocation = allocate(read_fleet(fleet))
    pinned = sum(domain.node is not None for domain in allocation.fleet.domains)
    nodes, domains, accounts = len(allocation.nodes), len(allocation.homes), allocation.account_count
    sys.stdout.write(
        f"{fleet}: ok: 1 orchestrator, {nodes:,} nodes, {domains:,} domains ({pinned:,} pinned), "
        f"{accounts:,} accounts\n"
    )


@app.command
def show(
    fleet: FleetFile = DEFAULT_FILE,
    *,
    node_lost: Annotated[str | None, Parameter(help="Show where this node's domains would go.")] = None,
    json: Annotated[bool, Parameter(help="Print JSON.", negative="")] = False,
) -> None:
    """Show each node with its domains, accounts and room."""
    allocation = allocate(read_fleet(fleet))
    if node_lost is None:
        moves = None
    elif node_lost in allocation.homes_on:
        moves = evacuate(allocation, node_lost)
    else:
        fail(f"{fleet} has no node {node_lost!r}; it has {', '.join(node.name for node in allocation.nodes)}")
    if json:
        _print_json(_summary(allocation, moves))
    elif moves is not None:
        _print_moves(str(node_lost), moves)
    else:
        _print_nodes(allocation)


@app.command
def schema() -> None:
    """Print the fleet file's JSON Schema, which editors use for completion; fleet.schema.json holds it."""
    sys.stdout.write(fleet_schema())


@app.command(name="pin")
def pin_homes(fleet: FleetFile = DEFAULT_FILE) -> None:
    """Write every domain's present home into the fleet file as `node:`.

    Nothing else in the file changes. Afterwards domains and nodes can be inserted, sorted or removed
    anywhere, and limits changed, without moving a domain that exists.
    """
    allocation = allocate(read_fleet(fleet))
    already = sum(domain.node is not None for domain in allocation.fleet.domains)
    text = fleet.read_bytes().decode("utf-8-sig")
    mark = "\ufeff" if fleet.read_bytes().startswith(b"\xef\xbb\xbf") else ""
    try:
        pinned = pin(text, {home.domain: home.node for home in allocation.homes})
    except PinError as error:
        fail(f"{fleet}: {error}")
    if pinned != text:
        _replace(fleet, (mark + pinned).encode())
    sys.stdout.write(
        f"{fleet}: pinned {len(allocation.homes) - already:,} domains, {already:,} were already\n"
    )


def _replace(path: Path, content: bytes) -> None:
    """Write the whole new file beside the old one, then swap: a crash leaves one or the other."""
    target = path.resolve()
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(target.stat().st_mode & 0o777)
    os.replace(fresh, target)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _print_nodes(allocation: Allocation) -> None:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("Node", no_wrap=True)
    table.add_column("Server", no_wrap=True)
    table.add_column("Domains", justify="right", no_wrap=True)
    table.add_column("Accounts", justify="right", no_wrap=True)
    table.add_column("Home of", overflow="fold")
    hub = allocation.orchestrator
    table.add_row(hub.name, _product(hub), "", "", "orchestrator")
    for node in allocation.nodes:
        homes = allocation.homes_on[node.name]
        accounts = sum(len(home.mailboxes) for home in homes)
        table.add_row(
            node.name,
            _product(node),
            f"{len(homes)}/{node.max_domains}",
            f"{accounts}/{node.max_accounts}",
            ", ".join(home.domain for home in homes),
        )
    _console().print(table, _totals(allocation))


def _print_moves(node: str, moves: Mapping[str, str | None]) -> None:
    table = Table(box=SIMPLE_HEAD)
    table.add_column(f"On {node}", overflow="fold")
    table.add_column("Would go to")
    for domain, home in moves.items():
        table.add_row(domain, home or "nowhere")
    homeless = sum(home is None for home in moves.values())
    _console().print(table, f"{len(moves) - homeless} of {len(moves)} domains would find room elsewhere.")
    if homeless:
        _console().print(f"For the other {homeless}: add a node at the end, or raise limits.*_per_node.")


def _console() -> Console:
    # Names are data: nothing in them is markup, and a pipe gets no colour.
    return Console(markup=False, highlight=False)


def _totals(allocation: Allocation) -> str:
    room = sum(node.max_domains for node in allocation.nodes)
    accounts = sum(node.max_accounts for node in allocation.nodes)
    return (
        f"{len(allocation.homes):,} domains in room for {room:,}, "
        f"{allocation.account_count:,} accounts in room for {accounts:,}"
    )


def _product(server: Server) -> str:
    return f"{server.provider} {server.type} {server.location}"


def _summary(allocation: Allocation, moves: Mapping[str, str | None] | None) -> dict[str, Any]:
    pinned = {domain.name for domain in allocation.fleet.domains if domain.node is not None}
    summary: dict[str, Any] = {
        "fleet": allocation.fleet.name,
        "domains": len(allocation.homes),
        "accounts": allocation.account_count,
        "orchestrator": _server(allocation.orchestrator),
        "nodes": [
            _server(node)
            | {
                "max_domains": node.max_domains,
                "max_accounts": node.max_accounts,
                "accounts": sum(len(home.mailboxes) for home in allocation.homes_on[node.name]),
                "domains": [
                    {"name": home.domain, "accounts": len(home.mailboxes), "pinned": home.domain in pinned}
                    for home in allocation.homes_on[node.name]
                ],
            }
            for node in allocation.nodes
        ],
    }
    return summary if moves is None else summary | {"moves": dict(moves)}


def _server(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "fqdn": server.fqdn,
        "provider": server.provider.value,
        "type": server.type,
        "location": server.location,
        "ipv4": str(server.ipv4) if server.ipv4 else None,
    }
