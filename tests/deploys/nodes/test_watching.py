"""What the orchestrator's look at its fleet is given: a key, the hosts' keys, the fleet."""

from __future__ import annotations

from deploys.orchestrator.watch import pinned
from deploys.watchkey import watch_key
from inventory import Fleet, allocate
from inventory.dqs import CREDENTIAL
from inventory.hostkeys import Pin, read_pins
from tests.deploys.nodes.samples import FLEET, node
from tests.deploys.nodes.test_services import SECRET, content, services


def test_the_orchestrators_key_opens_the_probe_on_every_host_and_nothing_else() -> None:
    public = watch_key(SECRET, "infra.example").public
    for host in (node(), node(role="orchestrator", domains=[])):
        text = content(host, "/etc/ssh/authorized_keys.d/root")
        *others, line = [line for line in text.splitlines() if not line.startswith("#")]
        assert others == list(host.ssh_keys)
        probe = 'command="/opt/outreach/current/bin/python -I -m status.probe"'
        assert line == f'restrict,from="198.18.1.1",{probe} {public} outreach-status'
    assert watch_key(SECRET, "infra.example") == watch_key(SECRET, "infra.example")
    assert watch_key(SECRET, "other.example").public != public


def test_the_orchestrator_knows_the_pinned_keys_of_its_own_fleet_and_no_others() -> None:
    fleet = FLEET.model_copy(update={"infra_domain": "infra.example"})
    first = allocate(fleet).servers[0].fqdn
    pins = f"{first},198.18.1.1 ssh-ed25519 AAAA\n{first} ssh-rsa BBBB\nn9.other.example ssh-ed25519 AAAB\n"
    assert read_pins(pinned(fleet, pins)) == (Pin(2, frozenset({first, "198.18.1.1"}), "AAAA"),)
    hub = node(role="orchestrator", domains=[])
    read = Fleet.model_validate_json(content(hub, "/etc/outreach/fleet.json"))
    assert hub.orchestrator
    assert read == hub.orchestrator.fleet


def test_the_key_of_spamhaus_is_in_a_file_of_roots_that_systemd_hands_to_the_look_alone() -> None:
    hub = node(role="orchestrator", domains=[])
    (file,) = (file for service in services(hub) for file in service.files if "dqskey0" in file.content)
    assert (file.path, file.content) == (f"/etc/outreach/{CREDENTIAL}", "dqskey0")
    assert (file.mode, file.owner, file.group, file.secret) == (0o600, "root", "root", True)
    unit = content(hub, "/etc/systemd/system/outreach-status.service").splitlines()
    assert f"LoadCredential={CREDENTIAL}:{file.path}" in unit
