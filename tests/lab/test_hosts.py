"""Hosts are what a provider hands over, and cannot leave the lab."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from lab import Lab, LabError
from lab.shelf import in_use
from tests.lab.conftest import settled, wait_for

pytestmark = pytest.mark.lab


def ssh(
    lab: Lab, host: str, *command: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    argv = lab.ssh_command(host, command)
    at = argv.index("ssh") + 1
    return subprocess.run([*argv[:at], *options, *argv[at:]], capture_output=True, text=True, check=False)


def booted(lab: Lab, host: str, ipv4: str, key: str) -> None:
    lab.boot(host, ipv4, [key])
    wait_for(lambda: ssh(lab, host, "true").returncode == 0, 20)


def test_a_booted_host_is_debian_13_and_answers_ssh_under_its_pinned_key(lab: Lab, ssh_key: str) -> None:
    booted(lab, "h1", "198.18.1.101", ssh_key)
    answer = ssh(
        lab, "h1", "hostname; . /etc/os-release; echo $VERSION_ID; systemctl is-system-running --wait"
    )
    assert answer.stdout.split() == ["h1", "13", "running"]
    assert "Permanently added" not in answer.stderr


def test_a_host_takes_keys_alone(lab: Lab, ssh_key: str) -> None:
    booted(lab, "h1", "198.18.1.101", ssh_key)
    refused = ssh(lab, "h1", "true", options=("-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes"))
    assert "Permission denied (publickey)" in refused.stderr


def test_a_bare_host_has_no_mail_software_and_no_other_resolver_than_the_providers(lab: Lab) -> None:
    lab.boot("h2", "198.18.1.102", [])
    mail = (
        "for tool in postfix sendmail rspamd dovecot unbound; do command -v $tool; done; cat /etc/resolv.conf"
    )
    assert lab.run("h2", ["sh", "-c", mail], check=False).stdout == "nameserver 198.18.0.2\n"


@pytest.mark.parametrize("address", ["192.0.2.1", "1.1.1.1", "10.255.255.53"])
def test_a_host_has_no_route_out_of_the_lab(address: str, lab: Lab) -> None:
    lab.boot("h2", "198.18.1.102", [])
    wait_for(partial(settled, lab, "h2"))
    tried = lab.run("h2", ["ping", "-c1", "-W1", address], check=False)
    assert "Network is unreachable" in tried.stderr


def test_a_hosts_validator_is_told_that_it_may_dial_the_addresses_of_the_lab(lab: Lab) -> None:
    lab.boot("h2", "198.18.1.102", [])
    told = lab.run("h2", ["cat", "/etc/systemd/system/outreach-api.service.d/lab.conf"]).stdout
    assert told == "[Service]\nEnvironment=OUTREACH_ALLOW_PRIVATE=1\n"


def test_a_hosts_image_is_kept_while_it_runs(lab: Lab) -> None:
    assert all(map(in_use, lab.image().layers))


def test_packages_come_through_the_cache_and_nothing_else_does(lab: Lab) -> None:
    lab.boot("h2", "198.18.1.102", [])
    wait_for(partial(settled, lab, "h2"))
    lab.run("h2", ["apt-get", "-qq", "update"])
    lab.run("h2", ["apt-get", "-qq", "-y", "install", "hello"])
    assert lab.run("h2", ["hello"]).stdout == "Hello, world!\n"
    proxy = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", "http://198.18.0.1:3142"]
    assert lab.run("h2", [*proxy, "http://receiver.example/"]).stdout == "403"


def test_a_host_without_power_keeps_its_disk_and_a_destroyed_one_does_not(lab: Lab, ssh_key: str) -> None:
    booted(lab, "h3", "198.18.1.103", ssh_key)
    host_key = ssh(lab, "h3", "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
    lab.run("h3", ["touch", "/root/mark"])
    lab.power_off("h3")
    with pytest.raises(LabError, match="host h3 is not running"):
        lab.run("h3", ["true"])
    booted(lab, "h3", "198.18.1.103", ssh_key)
    assert lab.run("h3", ["ls", "/root"]).stdout == "mark\n"
    lab.destroy("h3")
    booted(lab, "h3", "198.18.1.103", ssh_key)
    assert lab.run("h3", ["ls", "/root"]).stdout == ""
    assert ssh(lab, "h3", "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout != host_key


def test_a_host_survives_its_own_reboot(lab: Lab, ssh_key: str) -> None:
    booted(lab, "h3", "198.18.1.103", ssh_key)
    lab.run("h3", ["touch", "/run/before", "/root/mark"])
    lab.run("h3", ["systemctl", "reboot"], check=False)
    wait_for(lambda: ssh(lab, "h3", "test -e /run/before || echo new").stdout == "new\n", 30)
    assert "mark" in ssh(lab, "h3", "ls /root").stdout


def test_boot_and_destroy_may_be_repeated(lab: Lab) -> None:
    lab.boot("h4", "198.18.1.104", [])
    boot_id = lab.run("h4", ["cat", "/etc/machine-id"]).stdout
    lab.boot("h4", "198.18.1.104", [])
    assert lab.run("h4", ["cat", "/etc/machine-id"]).stdout == boot_id
    lab.destroy("h4")
    lab.destroy("h4")
    assert "h4" not in lab.hosts.names()


@pytest.mark.parametrize(
    ("host", "ipv4", "complaint"),
    [
        ("taken", "198.19.0.20", "198.19.0.20 is the address of host mx"),
        ("mx", "198.18.1.105", "mx is a host of the lab itself"),
        ("Bad_Name", "198.18.1.105", "'Bad_Name' is no host name"),
    ],
)
def test_a_host_that_contradicts_the_lab_is_refused(host: str, ipv4: str, complaint: str, lab: Lab) -> None:
    with pytest.raises(LabError, match=complaint):
        lab.boot(host, ipv4, [])
    assert lab.hosts.names().count(host) == (host == "mx")


def test_the_same_name_with_another_address_is_refused(lab: Lab) -> None:
    lab.boot("h4", "198.18.1.104", [])
    with pytest.raises(LabError, match="h4 exists with other addresses or keys"):
        lab.boot("h4", "198.18.1.105", [])


def test_operators_run_in_the_labs_network_with_its_names_and_endpoints(lab: Lab) -> None:
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "OUTREACH_LAB": str(lab.state)}
    code = (
        "import os, socket, urllib.request as web; print(socket.gethostbyname('mx.receiver.example'));"
        "ask = web.Request(os.environ['HCLOUD_ENDPOINT'] + '/servers',"
        " headers={'Authorization': 'Bearer ' + os.environ['HCLOUD_TOKEN']}); print(web.urlopen(ask).status)"
    )
    command: list[str | Path] = [
        Path(sys.executable).with_name("outreach"),
        "lab",
        "exec",
        "--",
        sys.executable,
        "-c",
        code,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("198.19.0.20\n200\n", "")


def test_a_process_inside_the_labs_network_boots_hosts_too(lab: Lab) -> None:
    code = (
        f"from pathlib import Path; from lab import open_world; world = open_world(Path({str(lab.state)!r}));"
        "world.boot('h5', '198.18.1.106', []); world.set_ptr('198.18.1.106', 'h5.infra.example')"
    )
    subprocess.run(lab.operator_command([sys.executable, "-c", code]), check=True)
    assert lab.run("h5", ["hostname"]).stdout == "h5\n"
    lab.destroy("h5")
