"""A real fleet in a lab: fine once it is applied; what is then broken is found, exactly, and told once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from lab import Lab
from lab.addresses import NAMESERVER
from lab.lab import EXAMPLE_ACCOUNT
from lab.world import ResourceRecord
from tests.deploys.fleets import fleet_text
from tests.emulators import ACCOUNT
from tests.stock import STOCK

pytestmark = pytest.mark.lab

Key = tuple[str, str, str]
OF_ELSEWHERE = {"disk /", "memory", "updates"}
"""Hosts share this machine's disk and memory, and Debian may publish an update at any moment."""
LIST = "dnsbl.example"
DQS_KEY = "dqskey0"
NOT_TWICE = """
folder=/run/systemd/system/outreach-status.service.d
mkdir -p $folder
printf '[Service]\\nEnvironment=OUTREACH_STATUS_AGAIN=0\\n' >$folder/test.conf
systemctl daemon-reload
"""

WRONG_KEY = """
import os, requests
api = os.environ["CLOUDFLARE_BASE_URL"]
head = {"Authorization": "Bearer " + os.environ["CLOUDFLARE_API_TOKEN"]}
get = lambda path, **query: requests.get(api + path, params=query, headers=head, timeout=30).json()["result"]
(zone,) = get("/zones", name="d1.example")
(record,) = get(f"/zones/{zone['id']}/dns_records", name="s1._domainkey.d1.example")
wrong = {"content": '"v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"'}
url = f"{api}/zones/{zone['id']}/dns_records/{record['id']}"
requests.patch(url, json=wrong, headers=head, timeout=30).raise_for_status()
"""


class Watched:
    """A fleet of two nodes with a domain each, applied, and an operator who looks at it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.file = folder / "fleet.yaml"
        self.env = {**os.environ, **lab.environment(), "XDG_STATE_HOME": str(folder / "state")}
        self.env["SPAMHAUS_DQS_KEY"] = DQS_KEY
        taker = x25519.Identity.generate().to_public()
        extra = f"limits:\n  domains_per_node: 1\nbackups: {{recipients: [{taker}], to: backups}}\n"
        text = fleet_text(nodes=2, domains=2, extra=extra)
        lines = text.replace(ACCOUNT, EXAMPLE_ACCOUNT).splitlines()
        lines = [line for line in lines if not line.startswith("  ssh_keys:")]
        self.file.write_text("\n".join(lines).replace("[192.0.2.10/32]", "[198.18.0.1/32]") + "\n")

    def outreach(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(Path(sys.executable).with_name("outreach")), *words, "--fleet", str(self.file)]
        return self.operate(*argv)

    def operate(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.lab.operator_command(argv),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def status(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """A run's JSON, asked of the name server itself: no cache between a change and its sight."""
        done = self.outreach("status", "--json", "--resolver", NAMESERVER, "--blocklist", f"{LIST}=2", *words)
        assert (done.returncode, done.stderr) == (expect, ""), done.stdout
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def changed(self, *, expect: int) -> dict[Key, str | None]:
        """What `--diff` tells: the level now, by finding."""
        changes = self.status("--diff", expect=expect)["changes"]
        return {
            (found["host"], found["check"], found["about"]): found["level"]
            for found in changes
            if f"{found['check']} {found['about']}".strip() not in OF_ELSEWHERE
        }

    def sh(self, host: str, script: str) -> str:
        return self.lab.run(host, ["bash", "-euc", script]).stdout

    def address(self, host: str) -> str:
        return self.lab.hosts.spec(host).addresses[0]

    def list_addresses(self, *addresses: str) -> None:
        """Serve a block list of these, and of what every list must list."""
        rows = [".".join(reversed(address.split("."))) for address in ("127.0.0.2", *addresses)]
        self.lab.publish(LIST, [ResourceRecord(f"{row}.{LIST}", "A", 5, "127.0.0.2") for row in rows])

    def have_spamhaus(self) -> None:
        """Serve Spamhaus' lists, which list nobody, to whom the key is known."""
        names = (f"2.0.0.127.{DQS_KEY}.zen", f"dbltest.com.{DQS_KEY}.dbl")
        zone = "dq.spamhaus.net"
        self.lab.publish(zone, [ResourceRecord(f"{name}.{zone}", "A", 5, "127.0.0.2") for name in names])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    lab = Lab(folder / "lab", stock=STOCK)
    lab.up()
    try:
        fleet = Watched(lab, folder)
        done = fleet.outreach("apply", "--yes")
        assert done.returncode == 0, done.stderr
        fleet.list_addresses()
        fleet.have_spamhaus()
        yield fleet
    finally:
        lab.down()


def test_a_fleet_that_was_just_applied_is_fine_and_people_see_one_line_a_host(watched: Watched) -> None:
    report = watched.status()
    wrong = [
        (found["host"], found["check"], found["about"], found["says"])
        for found in report["findings"]
        if found["level"] != "ok" and f"{found['check']} {found['about']}".strip() not in OF_ELSEWHERE
    ]
    assert wrong == []
    assert report["fine"] is True
    assert {(found["host"], found["check"]) for found in report["findings"]} >= {
        *(
            (node, check)
            for node in ("n1", "n2")
            for check in ("spf", "dkim", "dmarc", "mx", "outgoing", "smtp")
        ),
        *(("hub", check) for check in ("reach", "service", "firewall", "ssh password", "strangers")),
        *((node, check) for node in ("n1", "n2") for check in ("strangers", "mailboxes", "listed", "queue")),
    }
    assert watched.changed(expect=0) == {}


def test_the_orchestrators_own_look_asks_spamhaus_and_shows_its_key_to_nobody(watched: Watched) -> None:
    watched.sh("hub", f"{NOT_TWICE} systemctl start outreach-status")
    report = json.loads(watched.sh("hub", "cat /var/lib/outreach-reports/status.json"))
    answers = {
        found["about"]: found["says"] for found in report["findings"] if found["check"] == "block list"
    }
    assert (answers["zen.spamhaus.org"], answers["dbl.spamhaus.org"]) == ("answers", "answers")
    where = "/etc/outreach/spamhaus_dqs_key"
    assert watched.sh("hub", f"cat {where}; stat -c ' %a %U:%G' {where}").split() == [
        DQS_KEY,
        "600",
        "root:root",
    ]
    shown = "journalctl -q; systemctl show outreach-status; systemctl cat outreach-status"
    kept = "cat /var/lib/outreach-status/* /var/lib/outreach-reports/*"
    assert DQS_KEY not in watched.sh("hub", f"{shown}; {kept}")


BROKEN: dict[Key, str] = {
    ("n1", "service", "postfix"): "failed",
    ("n1", "listens", ""): "failed",
    ("n1", "port", "25"): "failed",
    ("n1", "port", "465"): "failed",
    ("n1", "port", "587"): "failed",
    ("n1", "dkim", "d1.example"): "failed",
    ("n1", "listed", "{n1}"): "failed",
    ("n2", "ptr", ""): "failed",
    ("n2", "disk", "/boot"): "failed",
    ("n2", "strangers", ""): "failed",
    ("n2", "firewall", ""): "failed",
    ("n2", "ssh password", ""): "failed",
    ("hub", "failed units", ""): "warning",
}


def test_what_breaks_is_found_exactly_and_told_once_and_so_is_its_mending(watched: Watched) -> None:
    lab, n1, n2 = watched.lab, watched.address("n1"), watched.address("n2")
    broken = {(host, check, about.format(n1=n1)): level for (host, check, about), level in BROKEN.items()}
    watched.sh("n1", "systemctl stop postfix")
    assert watched.operate(sys.executable, "-c", WRONG_KEY).returncode == 0
    watched.list_addresses(n1)
    lab.set_ptr(n2, None)
    watched.sh("n2", "mount -t tmpfs -o size=1m tmpfs /boot; head -c 900k /dev/zero >/boot/full")
    watched.sh("n2", "nft delete table inet outreach")
    watched.sh("n2", "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-early.conf")
    watched.sh("hub", "systemd-run -q --unit=nightly false; sleep 0.5")
    assert watched.changed(expect=2) == broken
    assert watched.changed(expect=2) == {}

    watched.list_addresses()
    lab.set_ptr(n2, "n2.infra.example")
    watched.sh("n2", "umount /boot; systemctl reload nftables; rm /etc/ssh/sshd_config.d/00-early.conf")
    watched.sh("hub", "systemctl reset-failed")
    done = watched.outreach("apply", "--yes")  # starts what was stopped, and puts the key right
    assert done.returncode == 0, done.stderr
    # The disk that was full is not there any more.
    assert watched.changed(expect=0) == dict.fromkeys(broken, "ok") | {("n2", "disk", "/boot"): None}


def test_a_host_without_power_is_one_finding_and_costs_one_time_out(watched: Watched) -> None:
    watched.lab.power_off("n2")
    began = time.monotonic()
    assert watched.changed(expect=2) == {("n2", "reach", ""): "failed"}
    assert time.monotonic() - began < 45, "its time-out is 10 s; this leaves room for a busy machine"
    limited = watched.status("--limit", "n1")
    assert [host["host"] for host in limited["hosts"]] == ["n1"]


def test_a_host_of_another_key_than_the_pinned_one_is_not_asked(watched: Watched) -> None:
    pins = watched.file.with_suffix(".known_hosts")
    lines = pins.read_text().splitlines(keepends=True)
    other = next(line for line in lines if line.startswith("hub.")).split()[2]
    pins.write_text(
        "".join(
            " ".join([*line.split()[:2], other]) + "\n" if line.startswith("n1.") else line for line in lines
        )
    )
    report = watched.status("--limit", "n1", expect=2)
    pins.write_text("".join(lines))
    (wrong,) = [found for found in report["findings"] if found["level"] == "failed"]
    assert wrong["check"] == "reach"
    assert "its SSH host key is not the one pinned in" in wrong["says"]
