"""How apply goes from servers over hosts to the keys that only hosts know.

The vendors are the emulated ones. The hosts follow a script, since ordered servers are only recorded here;
the lab's tests converge real ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from costs.pricebook import PriceBook
from deploys.apply import Converged, Outcome, Status
from deploys.connect import connect
from deploys.plan import Area, Kind, Scope
from deploys.planning import NEW, NodeView
from deploys.session import Session
from inventory import Allocation
from tests.deploys.fleets import allocation, facts, fleet_text
from tests.emulators import Emulators


@dataclass
class Script:
    """Hosts that do as they are told: each makes the keys of its domains when it is converged."""

    fleet: Allocation
    refuse: set[str] = field(default_factory=set)
    converged: list[str] = field(default_factory=list)

    def look(self, addresses: Mapping[str, str]) -> NodeView:
        lines: dict[str, tuple[str, ...]] = {
            host: () if host in self.converged else (NEW,) for host in addresses
        }
        return NodeView(lines, {}, self.dkim(list(addresses), addresses))

    def converge(
        self, hosts: Sequence[str], addresses: Mapping[str, str], on_event: Callable[[str], None]
    ) -> Mapping[str, Converged]:
        sound = [host for host in hosts if host in addresses and host not in self.refuse]
        self.converged += sound
        on_event(f"{len(sound)} hosts converged")
        return {
            **{host: Converged(host, ("install everything",), None) for host in sound},
            **{host: Converged(host, (), "no space left on device") for host in hosts if host in self.refuse},
        }

    def dkim(self, hosts: Sequence[str], addresses: Mapping[str, str]) -> Mapping[str, str]:
        keys = facts(self.fleet).dkim
        return {
            home.domain: keys[home.domain]
            for home in self.fleet.homes
            if home.node in hosts and home.node in addresses and home.node in self.converged
        }


@pytest.fixture
def session(emulator_env: Emulators, tmp_path: Path) -> Session:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=2, domains=8))
    scope = Scope()
    providers = connect(fleet, scope.only, os.environ, tmp_path / "orders.json")
    book = PriceBook.load("current")
    return Session(fleet, scope, book, providers, Script(fleet), tmp_path / "known_hosts")


def run(session: Session) -> list[Outcome]:
    plan, current = session.plan()
    return session.apply(plan, current, lambda _: None)


def test_one_apply_goes_from_nothing_to_published_keys(session: Session, emulator_env: Emulators) -> None:
    outcomes = run(session)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    zone = emulator_env.world()["zones"]["d8.example"]
    key = next(record["rdata"] for record in zone if record["name"] == "s1._domainkey.d8.example")
    assert facts(session.allocation).dkim["d8.example"] in key.replace('" "', "")
    plan, _ = session.plan()
    assert not plan.pending


def test_a_host_that_fails_keeps_only_its_own_keys_from_being_published(session: Session) -> None:
    script = session.nodes
    assert isinstance(script, Script)
    script.refuse = {"n1"}
    undone = [outcome for outcome in run(session) if outcome.status is not Status.DONE]
    assert [(o.change.kind, o.change.object) for o in undone if o.status is Status.FAILED] == [
        (Kind.NODE, "n1")
    ]
    skipped = [outcome.change.group for outcome in undone if outcome.status is Status.SKIPPED]
    assert skipped == [f"d{number}.example" for number in range(1, 6)]
    script.refuse = set()
    assert {outcome.status for outcome in run(session)} == {Status.DONE}
    plan, _ = session.plan()
    assert not plan.pending


def test_a_limit_converges_its_host_alone(session: Session) -> None:
    session.scope = Scope(limit=("hub", "n2"))
    assert {outcome.status for outcome in run(session)} == {Status.DONE}
    script = session.nodes
    assert isinstance(script, Script)
    assert sorted(script.converged) == ["hub", "n2"]


def test_nodes_alone_change_no_server_and_no_record(session: Session, emulator_env: Emulators) -> None:
    session.scope = Scope(frozenset({Area.SERVERS, Area.DNS}))
    nodes, session.nodes = session.nodes, None
    run(session)
    before = emulator_env.world()
    session.scope, session.nodes = Scope(frozenset({Area.NODES})), nodes
    outcomes = run(session)
    assert {outcome.change.kind for outcome in outcomes} == {Kind.NODE}
    assert emulator_env.world() == before


def test_the_pins_of_servers_long_gone_are_forgotten_before_their_names_are_ordered(session: Session) -> None:
    session.known_hosts.write_text(
        "n1.infra.example,203.0.113.1 ssh-ed25519 AAAA\nother.example ssh-ed25519 BBBB\n"
    )
    run(session)
    assert session.known_hosts.read_text() == "other.example ssh-ed25519 BBBB\n"
