"""Zones and PTRs are served as told, at once, from a signed root, to resolvers set up as in production."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from lab import Lab, LabError
from lab.world import ResourceRecord
from tests.lab.conftest import settled, wait_for

pytestmark = pytest.mark.lab

RESOLVER, NAMESERVER = "198.18.0.2", "198.18.0.53"


def ask(lab: Lab, server: str, *question: str) -> str:
    return lab.run("dns", ["kdig", f"@{server}", "+short", *question]).stdout.strip()


def a_record(name: str, address: str, ttl: int = 300) -> ResourceRecord:
    return ResourceRecord(name, "A", ttl, address)


def test_the_chain_from_the_labs_root_validates(lab: Lab) -> None:
    answer = lab.run("dns", ["kdig", f"@{RESOLVER}", "+dnssec", "ns.lab.example", "A"]).stdout
    assert " ad;" in answer
    assert NAMESERVER in answer


OTHER_ANCHOR = """\
server:
  interface: 127.0.0.9
  do-daemonize: no
  pidfile: ""
  chroot: ""
  root-hints: "/usr/share/dns/root.hints"
  trust-anchor: "example. DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000"
"""


def test_a_resolver_with_another_trust_anchor_refuses_the_labs_names(lab: Lab) -> None:
    lab.run("dns", ["tee", "/run/other.conf"], stdin=OTHER_ANCHOR)
    lab.run("dns", ["systemd-run", "--quiet", "--unit=other", "unbound", "-c", "/run/other.conf"])
    answer = lab.run("dns", ["kdig", "@127.0.0.9", "+retry=5", "+timeout=1", "ns.lab.example", "A"]).stdout
    lab.run("dns", ["systemctl", "stop", "other"])
    assert "SERVFAIL" in answer


def test_a_published_zone_is_served_and_found_from_the_root(lab: Lab) -> None:
    lab.publish(
        "new.example", [a_record("new.example", "198.18.2.1"), a_record("*.new.example", "198.18.2.2")]
    )
    assert ask(lab, NAMESERVER, "new.example", "A") == "198.18.2.1"
    assert ask(lab, RESOLVER, "any.new.example", "A") == "198.18.2.2"


def test_a_zone_outside_example_is_found_too(lab: Lab) -> None:
    lab.publish("outside.net", [a_record("outside.net", "198.18.2.1")])
    assert ask(lab, RESOLVER, "outside.net", "A") == "198.18.2.1"
    lab.withdraw("outside.net")


def test_changes_within_one_second_are_all_served(lab: Lab) -> None:
    for last in range(1, 9):
        lab.publish("quick.example", [a_record("quick.example", f"198.18.2.{last}")])
        assert ask(lab, NAMESERVER, "quick.example", "A") == f"198.18.2.{last}"


def test_no_cache_holds_a_record_longer_than_five_seconds(lab: Lab) -> None:
    lab.publish("ttl.example", [a_record("ttl.example", "198.18.2.1", ttl=86400)])
    assert (
        lab.run("dns", ["kdig", f"@{NAMESERVER}", "+noall", "+answer", "ttl.example"]).stdout.split()[1]
        == "5"
    )


def test_a_withdrawn_zone_is_gone_and_can_come_back(lab: Lab) -> None:
    lab.publish("gone.example", [a_record("gone.example", "198.18.2.1")])
    lab.withdraw("gone.example")
    lab.withdraw("gone.example")
    assert "NXDOMAIN" in lab.run("dns", ["kdig", f"@{NAMESERVER}", "gone.example"]).stdout
    lab.publish("gone.example", [a_record("gone.example", "198.18.2.3")])
    assert ask(lab, NAMESERVER, "gone.example", "A") == "198.18.2.3"


def test_a_name_asked_for_too_early_is_found_soon_after_it_is_published(lab: Lab) -> None:
    assert ask(lab, RESOLVER, "early.example", "A") == ""
    lab.publish("early.example", [a_record("early.example", "198.18.2.1")])
    wait_for(lambda: ask(lab, RESOLVER, "early.example", "A") == "198.18.2.1", 5)


@pytest.mark.parametrize(
    "wrong",
    [
        [ResourceRecord("bad.example", "A", 300, "not-an-address")],
        [
            a_record("www.bad.example", "198.18.2.1"),
            ResourceRecord("www.bad.example", "CNAME", 300, "bad.example."),
        ],
        [ResourceRecord("bad.example", "NOSUCHTYPE", 300, "1")],
    ],
)
def test_a_malformed_zone_is_refused_and_what_was_served_stays(wrong: list[ResourceRecord], lab: Lab) -> None:
    lab.publish("bad.example", [a_record("bad.example", "198.18.2.7")])
    with pytest.raises(LabError, match=r"zone bad\.example cannot be served: "):
        lab.publish("bad.example", wrong)
    assert ask(lab, NAMESERVER, "bad.example", "A") == "198.18.2.7"


def test_a_ptr_is_set_changed_and_removed(lab: Lab) -> None:
    lab.set_ptr("198.18.2.44", "n1.infra.example")
    assert ask(lab, RESOLVER, "-x", "198.18.2.44") == "n1.infra.example."
    lab.set_ptr("198.18.2.44", "n2.infra.example")
    assert ask(lab, NAMESERVER, "-x", "198.18.2.44") == "n2.infra.example."
    lab.set_ptr("198.18.2.44", None)
    assert ask(lab, NAMESERVER, "-x", "198.18.2.44") == ""


def test_a_ptr_outside_the_lab_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"192\.0\.2\.1 is not in 198\.18\.0\.0/15"):
        lab.set_ptr("192.0.2.1", "x.example")


def test_calls_at_the_same_time_lose_nothing(lab: Lab) -> None:
    def publish(number: int) -> None:
        # A world of its own for each call, as each process has one.
        world = Lab(lab.state)
        world.publish(f"many{number}.example", [a_record(f"many{number}.example", f"198.18.3.{number}")])
        world.set_ptr(f"198.18.3.{number}", f"many{number}.example")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(1, 25)))
    for number in range(1, 25):
        assert ask(lab, RESOLVER, f"many{number}.example", "A") == f"198.18.3.{number}"
        assert ask(lab, RESOLVER, "-x", f"198.18.3.{number}") == f"many{number}.example."


def test_every_host_trusts_the_labs_root_where_debian_keeps_it(lab: Lab) -> None:
    lab.boot("resolving", "198.18.1.120", [])
    key = lab.run("resolving", ["cat", "/usr/share/dns/root.key"]).stdout
    assert key.split()[:3] == [".", "IN", "DNSKEY"]
    assert "".join(key.split()[3:]) == "".join(ask(lab, NAMESERVER, ".", "DNSKEY").split())
    assert "ns.lab.example." in lab.run("resolving", ["cat", "/usr/share/dns/root.hints"]).stdout


def test_debians_unbound_as_packaged_validates_on_a_bare_host(lab: Lab) -> None:
    lab.boot("resolving", "198.18.1.120", [])
    wait_for(partial(settled, lab, "resolving"))
    lab.run("resolving", ["apt-get", "-qq", "update"])
    lab.run("resolving", ["apt-get", "-qq", "-y", "install", "unbound", "knot-dnsutils"])
    hints = 'server:\\n root-hints: "/usr/share/dns/root.hints"\\n'
    lab.run("resolving", ["sh", "-c", f"printf '{hints}' >/etc/unbound/unbound.conf.d/hints.conf"])
    lab.run("resolving", ["systemctl", "restart", "unbound"])
    answer = lab.run("resolving", ["kdig", "@127.0.0.1", "+dnssec", "ns.lab.example", "A"]).stdout
    assert " ad;" in answer
    lab.destroy("resolving")


@pytest.mark.parametrize("served", [1, 4, 9])
def test_a_publisher_killed_at_any_point_leaves_nothing_that_a_second_run_does_not_mend(
    served: int, lab: Lab
) -> None:
    zones = [f"k{served}x{number}.example" for number in range(12)]
    code = (
        f"from pathlib import Path; from lab import Lab; from lab.world import ResourceRecord as Record;"
        f"world = Lab(Path({str(lab.state)!r}));"
        f"[world.publish(zone, [Record(zone, 'A', 5, '198.18.4.1')]) for zone in {zones!r}]"
    )
    publisher = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: ask(lab, NAMESERVER, zones[served], "A") or publisher.poll() is not None)
    publisher.kill()
    publisher.wait()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [ask(lab, RESOLVER, zone, "A") for zone in zones] == ["198.18.4.1"] * len(zones)
