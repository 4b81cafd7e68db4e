"""The fleet as pyinfra sees it: everything a deploy needs, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from inventory import AddressError, Allocation, HostsError, allocate, hosts, known_hosts_file, load_fleet

ROOT = Path(__file__).parents[2]
KNOWN_HOSTS = Path("/fleet.known_hosts")
ADDRESSES = {"hub": "198.18.1.1", "n1": "198.18.2.1", "n2": "198.18.2.2"}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", path], check=True)
    return path


@pytest.fixture
def small(write: Callable[[str], Path], base: str, key: Path) -> Allocation:
    return allocate(load_fleet(write(base), {"OUTREACH_SSH_KEY": str(key)}))


def test_a_node_s_data_is_plain_and_complete(small: Allocation, key: Path) -> None:
    _, node, _ = hosts(small, ADDRESSES, known_hosts=KNOWN_HOSTS, ssh_key="/id")
    assert (node.name, node.fqdn, node.groups) == ("n1", "n1.infra.example", ("nodes",))
    accounts = [("anna.berg", "Anna Berg"), ("jonas.weber", "Jonas Weber")]
    assert json.loads(json.dumps(node.data)) == {
        "role": "node",
        "fleet_name": "small",
        "fqdn": "n1.infra.example",
        "infra_domain": "infra.example",
        "ipv4": "198.18.2.1",
        "orchestrator_ipv4": "198.18.1.1",
        "operator_addresses": ["198.18.0.1/32"],
        "ssh_keys": [key.with_suffix(".pub").read_text().strip()],
        "domains": [
            {
                "name": domain,
                "selector": "s1",
                "dkim_bits": 2048,
                "accounts": [
                    {"address": f"{local}@{domain}", "display_name": name} for local, name in accounts
                ],
            }
            for domain in ("alpha.example", "bravo.example")
        ],
        "report_domain": "infra.example",
        "limits": {"mails_per_account_per_day": 50, "domains_per_node": 2, "accounts_per_node": 4},
        "ssh_hostname": "198.18.2.1",
        "ssh_user": "root",
        "ssh_known_hosts_file": "/fleet.known_hosts",
        "ssh_strict_host_key_checking": "yes",
        "ssh_key": "/id",
    }


def test_the_orchestrator_comes_first_and_holds_no_domain(small: Allocation) -> None:
    hub = hosts(small, ADDRESSES, known_hosts=KNOWN_HOSTS)[0]
    assert (hub.name, hub.groups, hub.data["role"], hub.data["domains"]) == (
        "hub",
        ("orchestrator",),
        "orchestrator",
        [],
    )
    assert "ssh_key" not in hub.data


def test_servers_without_an_address_are_all_named(small: Allocation) -> None:
    with pytest.raises(AddressError) as caught:
        hosts(small, {"n1": "198.18.2.1"}, known_hosts=KNOWN_HOSTS)
    assert [server.name for server in caught.value.servers] == ["hub", "n2"]
    assert str(caught.value).splitlines() == [
        f"{name}.infra.example has no address: order it with `outreach apply --only servers,dns`, "
        f"or write `ipv4:` for {name} in the fleet file"
        for name in ("hub", "n2")
    ]


def test_some_hosts_can_be_asked_for_while_others_have_no_address(small: Allocation) -> None:
    some = hosts(small, {"hub": "198.18.1.1", "n2": "198.18.2.2"}, known_hosts=KNOWN_HOSTS, only={"n2"})
    assert [host.name for host in some] == ["n2"]
    with pytest.raises(AddressError, match=r"^hub\.infra\.example has no address"):
        hosts(small, {"n2": "198.18.2.2"}, known_hosts=KNOWN_HOSTS, only={"n2"})


def test_hosts_nobody_could_log_in_to_are_refused(small: Allocation) -> None:
    operators = small.fleet.operators.model_copy(update={"ssh_keys": ()})
    locked = replace(small, fleet=small.fleet.model_copy(update={"operators": operators}))
    with pytest.raises(HostsError, match="nobody could log in"):
        hosts(locked, ADDRESSES, known_hosts=KNOWN_HOSTS)


def test_host_keys_are_pinned_beside_the_fleet_file() -> None:
    assert known_hosts_file(Path("/srv/rehearsal.yaml")) == Path("/srv/rehearsal.known_hosts")


def pyinfra(fleet: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("pyinfra"), "inventory/fleet.py", "debug-inventory"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "OUTREACH_FLEET": str(fleet), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pyinfra_reads_the_inventory_and_shows_no_secret(
    write: Callable[[str], Path], base: str, key: Path
) -> None:
    text = base.replace("name: hub", "name: hub\n  ipv4: 198.18.1.1").replace(
        "    count: 2\n", "    ipv4: 198.18.2.1\n"
    )
    text = text.replace("domains_per_node: 2", "domains_per_node: 4").replace(
        "accounts_per_node: 4", "accounts_per_node: 8"
    )
    secret = "never-to-be-shown-" * 3
    run = pyinfra(write(text), OUTREACH_SSH_KEY=str(key), OUTREACH_SECRET=secret, HCLOUD_TOKEN=secret)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    assert "[hub]" in output
    assert "Groups: nodes, fleet" in output
    assert '"ssh_hostname": "198.18.2.1"' in output
    assert "anna.berg@alpha.example" in output
    assert secret not in output
    assert key.read_text().splitlines()[1] not in output


def test_pyinfra_without_addresses_ends_in_clear_lines(
    write: Callable[[str], Path], base: str, key: Path
) -> None:
    text = base.replace("name: hub", "name: hub\n  ipv4: 198.18.1.1").replace(
        "infra.example", "does-not-exist.invalid"
    )
    run = pyinfra(write(text), OUTREACH_SSH_KEY=str(key))
    assert run.returncode == 1
    assert "n1.does-not-exist.invalid has no address: order it with" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_pyinfra_with_a_bad_fleet_ends_in_its_line(write: Callable[[str], Path], base: str) -> None:
    path = write(base.replace("alpha.example", "ALPHA"))
    run = pyinfra(path)
    assert run.returncode == 1
    assert f"{path}:15: domains[0].name: 'ALPHA' is not a domain name" in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
