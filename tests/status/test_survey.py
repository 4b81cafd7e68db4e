"""A run over many hosts: bounded, each question once, who knocks where, and where hosts should be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from inventory import Allocation, Host, Role
from inventory.addresses import addresses
from status import survey
from status.facts import Door, Greeting, Inside, Outside
from status.finding import Level, Report
from status.questions import Questions
from status.survey import Options, Place, Survey, knocks, places, recipients, strangers
from tests.deploys.fleets import allocation, fleet_text
from tests.status.samples import FakeResolver, facts

KEYS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOmyN+lxHJt1ywPbkXV0CoA7smd7fEEfCoE1ORd0r+kb"


def pinned(tmp_path: Path, fleet: Allocation) -> Path:
    """Pinned host keys for every server, at 10.0.x.y."""
    file = tmp_path / "fleet.known_hosts"
    lines = [
        f"{server.fqdn},10.0.{at // 250}.{at % 250 + 1} {KEYS}\n" for at, server in enumerate(fleet.servers)
    ]
    file.write_text("".join(lines))
    return file


def zone(fleet: Allocation, where: Mapping[str, str]) -> dict[tuple[str, str], Sequence[str] | None]:
    """The DNS of a fleet as it should be, as far as the addresses go."""
    table: dict[tuple[str, str], Sequence[str] | None] = {}
    for server in fleet.servers:
        address = where[server.name]
        table[server.fqdn, "A"] = [address]
        table[".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR"] = [f"{server.fqdn}."]
        table[server.fqdn, "TXT"] = ['"v=spf1 a -all"']
    for home in fleet.homes:
        node = f"{home.node}.infra.example"
        table[home.domain, "MX"] = [f"10 {node}."]
        table[home.domain, "TXT"] = [f'"v=spf1 ip4:{where[home.node]} -all"']
        table[f"s1._domainkey.{home.domain}", "TXT"] = ['"v=DKIM1; k=rsa; p=MIIB"']
        table[f"_dmarc.{home.domain}", "TXT"] = ['"v=DMARC1; p=none; rua=mailto:dmarc-reports@infra.example"']
        table[f"{home.domain}._report._dmarc.infra.example", "TXT"] = ['"v=DMARC1;"']
    table["infra.example", "MX"] = ["10 n1.infra.example."]
    return table


class World:
    """Hosts that answer as they should, except those that are silent."""

    def __init__(self, silent: Sequence[str] = (), wait: float = 0.0) -> None:
        self.silent = silent
        self.wait = wait
        self.lock = threading.Lock()
        self.now = self.most = 0

    def inside(self, hosts: Sequence[Host], questions: Mapping[str, Mapping[str, Any]]) -> dict[str, Inside]:
        now = time.time()
        return {
            host.name: Inside(None, "no SSH")
            if host.data["ipv4"] in self.silent
            else Inside(
                facts(
                    started=now,
                    ended=now,
                    keys=dict.fromkeys(questions[host.name]["keys"], "MIIB"),
                    mail={"helo": host.fqdn, "bind": host.data["ipv4"]},
                    certificate={"not_after": now + 9e6, "fingerprint": "ab"},
                    knocks={f"{where} {port}": port == 25 for where, port in questions[host.name]["knocks"]},
                ),
                "",
                now,
                now,
            )
            for host in hosts
        }

    def outside(self, address: str, ports: Sequence[int], recipients: Sequence[str]) -> Outside:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        if address in self.silent:
            time.sleep(self.wait)
        with self.lock:
            self.now -= 1
        if address in self.silent:
            return Outside(dict.fromkeys(ports, Door.SILENT))
        name = next(word for word in recipients if ".infra." in word).partition("@")[2] if recipients else ""
        return Outside(dict.fromkeys(ports, Door.OPEN), Greeting(name, True) if recipients else None)


def run(tmp_path: Path, fleet: Allocation, world: World, resolver: FakeResolver) -> Report:
    seen = places(fleet, pinned(tmp_path, fleet), None, ())
    return Survey(
        fleet,
        seen,
        Questions(resolver),  # type: ignore[arg-type] # the part of a resolver that is used
        options=Options(),
        inside=world.inside,
        outside=world.outside,
    ).run()


def test_700_nodes_with_3_silent_ones_cost_one_time_out_and_each_question_once(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=700, domains=3500))
    where = addresses(fleet, pinned(tmp_path, fleet))
    resolver = FakeResolver(zone(fleet, where))
    world = World(silent=[where[name] for name in ("n5", "n300", "n301")], wait=2.0)
    began = time.monotonic()
    report = run(tmp_path, fleet, world, resolver)
    took = time.monotonic() - began
    assert [
        f.key for f in report.findings if f.level is not Level.OK and f.check not in ("outgoing", "backup")
    ] == [(name, "reach", "") for name in ("n5", "n300", "n301")]
    assert len(report.hosts) == 701
    assert max(Counter(resolver.asked).values()) == 1
    assert world.most <= survey.PARALLEL
    assert took < 60, "a run over 700 nodes takes seconds; this leaves room for a busy machine"


def test_hosts_are_where_the_file_says_else_where_their_key_is_pinned(tmp_path: Path) -> None:
    text = fleet_text(nodes=2, domains=2).replace("nodes:\n", "orchestrator:\n  ipv4: 192.0.2.1\nnodes:\n")
    fleet = allocation(tmp_path / "fleet.yaml", text)
    found = addresses(fleet, pinned(tmp_path, fleet))
    assert found == {"hub": "192.0.2.1", "n1": "10.0.0.2", "n2": "10.0.0.3"}


def test_a_host_that_nobody_knows_the_address_of_is_looked_at_in_dns_only(tmp_path: Path) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=1, domains=1))
    file = pinned(tmp_path, fleet)
    file.write_text(file.read_text().splitlines(keepends=True)[0])  # the orchestrator's alone
    resolver = FakeResolver({})
    seen = places(fleet, file, None, ())
    assert [(place.server.name, place.address) for place in seen] == [("hub", "10.0.0.1"), ("n1", None)]
    report = Survey(
        fleet,
        seen,
        Questions(resolver),  # type: ignore[arg-type] # the part of a resolver that is used
        options=Options(),
        inside=World().inside,
        outside=World().outside,
    ).run()
    reach = next(f for f in report.findings if (f.host, f.check) == ("n1", "reach"))
    assert reach.says.startswith("no address")
    assert ("d1.example", "MX") in resolver.asked


class OneNode(World):
    """A node that answers everywhere but at port 25, and mail servers of others, which `hears` or not."""

    def __init__(self, *, hears: bool) -> None:
        super().__init__()
        self.hears = hears
        self.dialled: list[str] = []

    def outside(self, address: str, ports: Sequence[int], recipients: Sequence[str]) -> Outside:
        if address.startswith("10.0."):
            found = super().outside(address, ports, recipients)
            silent = {port: Door.SILENT for port in ports if port == 25}
            return Outside({**found.doors, **silent}, found.greeting)
        self.dialled.append(address)
        return Outside(dict.fromkeys(ports, Door.OPEN if self.hears else Door.SILENT))


@pytest.mark.parametrize(("hears", "level"), [(True, Level.FAILED), (False, Level.UNKNOWN)])
def test_a_single_nodes_port_25_is_judged_from_here_unless_mail_does_not_get_out_of_here_at_all(
    tmp_path: Path, *, hears: bool, level: Level
) -> None:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=1, domains=1))
    where = addresses(fleet, pinned(tmp_path, fleet))
    others = {("gmail.com", "MX"): ["5 mx.gmail.com."], ("mx.gmail.com", "A"): ["192.0.2.25"]}
    world = OneNode(hears=hears)
    report = run(tmp_path, fleet, world, FakeResolver({**zone(fleet, where), **others}))
    (found,) = [found for found in report.findings if found.key == ("n1", "port", "25")]
    assert (found.level, world.dialled) == (level, ["192.0.2.25"])


def seen_places(tmp_path: Path, nodes: int) -> tuple[Place, ...]:
    fleet = allocation(tmp_path / "fleet.yaml", fleet_text(nodes=nodes, domains=nodes))
    return places(fleet, pinned(tmp_path, fleet), None, ())


@pytest.mark.parametrize(("nodes", "strangers_each"), [(1, 0), (2, 1), (3, 2), (8, 2)])
def test_every_host_has_two_nodes_as_strangers_and_never_itself(
    tmp_path: Path, nodes: int, strangers_each: int
) -> None:
    seen = seen_places(tmp_path, nodes)
    plan = knocks(seen)
    at = {place.server.name: place.address for place in seen}
    assert "hub" not in plan  # it is let in everywhere, so it is no stranger
    for place in seen:
        name = place.server.name
        knockers = [who for who, targets in plan.items() if any(where == at[name] for where, _ in targets)]
        expected = strangers_each if place.server.role is Role.NODE else min(nodes, 2)
        assert (len(knockers), name in knockers) == (expected, False)
    ports = {port for targets in plan.values() for where, port in targets if where == at["hub"]}
    assert ports == {22, 8025, 9100}


def test_a_door_is_open_to_strangers_if_any_of_them_got_through() -> None:
    told = {
        "n1": Inside(facts(knocks={"10.0.0.9 22": False, "10.0.0.9 25": True})),
        "n2": Inside(facts(knocks={"10.0.0.9 22": True, "10.0.0.8 993": True})),
        "n3": Inside(None, "no SSH"),
    }
    assert strangers("10.0.0.9", told) == {22: True, 25: True}


def test_postmaster_abuse_and_reports_must_be_accepted(tmp_path: Path) -> None:
    hub, first, second = seen_places(tmp_path, 2)
    assert hub.settings
    assert first.settings
    assert second.settings
    assert recipients(hub.settings) == ()
    assert set(recipients(first.settings)) >= {
        "postmaster@d1.example",
        "abuse@d1.example",
        "postmaster@n1.infra.example",
        "abuse@infra.example",
        "dmarc-reports@infra.example",
        "tls-reports@infra.example",
    }
    assert not any(address.endswith("@infra.example") for address in recipients(second.settings))


def test_what_others_said_is_shown_as_one_plain_line() -> None:
    from status.finding import Finding, Weight

    said = Finding("n1", "x", "", Level.FAILED, Weight.REQUIRED, "a\x1b[31m\nb\x00" + "c" * 500)
    assert said.says.startswith("a [31m b c")
    assert len(said.says) <= 303
    assert not any(ord(letter) < 32 for letter in said.says)
