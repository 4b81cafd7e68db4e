"""What goes wrong on a host, or on the way to it: one clear line, and the service as it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deploys.nodes.conftest import ADDRESSES, REPOSITORY, Fleet

pytestmark = pytest.mark.lab

TEMPLATES = REPOSITORY / "templates"
ETC = "find /etc -type f -o -type l | sort | xargs sha256sum"
ANSWERS = {
    "postfix": "timeout 9 bash -c 'exec 3<>/dev/tcp/127.0.0.1/25; head -c 3 <&3'",
    "dovecot": "timeout 9 openssl s_client -connect 127.0.0.1:993 </dev/null 2>/dev/null | grep -c BEGIN",
    "rspamd": "timeout 9 bash -c '</dev/tcp/127.0.0.1/11332' && echo yes",
    "unbound": "getent hosts mx.receiver.example | wc -l",
    "ssh": "timeout 9 bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; head -c 3 <&3'",
    "nftables": "nft list table inet outreach | grep -c 'policy drop'",
}
BROKEN = [
    (
        "postfix/main.cf",
        "soft_bounce = no",
        "soft_bonce = no",
        "postfix",
        "refused",
        "unused parameter: soft_bonce",
    ),
    ("postfix/master.cf", "pickup    unix", "pickup", "postfix", "refused", "master.cf"),
    (
        "postfix/main.cf",
        "tls_security_level = may",
        "tls_security_level = x",
        "postfix",
        "failed",
        "Invalid TLS level",
    ),
    ("postfix/main.cf", "reject_non_fqdn_sender", "reject_typo", "postfix", "failed", "reject_typo"),
    ("dovecot/dovecot.conf", "mail_driver", "mail_diver", "dovecot", "refused", "mail_diver"),
    ("dovecot/dovecot.conf", "/etc/dovecot/users", "/etc/nowhere", "dovecot", "failed", "/etc/nowhere"),
    ("rspamd/outreach.lua", "local user", "lcal user", "rspamd", "refused", "outreach.lua"),
    ("rspamd/outreach.conf", "worker", "worker {", "rspamd", "refused", "outreach.conf"),
    ("unbound/unbound.conf", "prefetch", "prefech", "unbound", "refused", "prefech"),
    ("unbound/unbound.conf", "root.key", "root.hints", "unbound", "failed", "resolver"),
    ("firewall/nftables.conf", "ct state", "ct stat", "nftables", "refused", "nftables.conf"),
    ("ssh/sshd.conf", "MaxAuthTries", "MaxAuthTires", "ssh", "refused", "MaxAuthTires"),
]


@pytest.mark.parametrize("row", BROKEN, ids=[f"{row[0]}: {row[2]}" for row in BROKEN])
def test_a_bad_template_leaves_the_running_service_as_it_was(
    converged: Fleet, tmp_path: Path, row: tuple[str, ...]
) -> None:
    template, good, bad, unit, outcome, said = row
    text = (TEMPLATES / f"{template}.j2").read_text()
    assert good in text
    broken = tmp_path / f"{template}.j2"
    broken.parent.mkdir()
    broken.write_text(text.replace(good, bad))
    files = converged.sh("n1", ETC)
    report = converged.operate("converge", converged.host("n1"), BROKEN_TEMPLATES=str(tmp_path))["n1"]
    assert report["status"] == "failed"
    assert outcome in report["error"]
    assert said in report["error"]
    assert "\n" not in report["error"]
    assert converged.sh("n1", ETC) == files
    assert converged.sh("n1", f"systemctl is-active {unit}") == "active"
    assert converged.sh("n1", ANSWERS[unit]) not in {"", "0"}


def test_after_all_of_these_nothing_is_left_to_change(converged: Fleet) -> None:
    assert converged.operate("preview", converged.host("n1"))["n1"]["status"] == "unchanged"


def test_one_failed_host_stops_no_other(converged: Fleet) -> None:
    n1, n2 = converged.host("n1"), converged.host("n2")
    n1["data"]["ipv4"] = "198.18.9.9"
    n2["data"]["domains"][0]["accounts"].append({"address": "eve@n2-alpha.example", "display_name": "Eve"})
    reports = converged.operate("converge", n1, n2)
    assert reports["n1"]["status"] == "failed"
    assert "198.18.9.9 is not an address of this host" in reports["n1"]["error"]
    assert reports["n2"]["status"] == "changed"
    assert "eve@n2-alpha.example" in converged.sh("n2", "cat /etc/dovecot/users")
    assert converged.operate("converge", converged.host("n2"))["n2"]["status"] == "changed"


def test_a_full_disk_is_told_and_the_service_lives_on(converged: Fleet) -> None:
    converged.sh(
        "n1", "cp -a /etc/postfix /run/postfix.copy && mount -t tmpfs -o size=64k tmpfs /etc/postfix"
    )
    converged.sh(
        "n1", "cp -a /run/postfix.copy/. /etc/postfix/; head -c 99999 /dev/zero >/etc/postfix/filler"
    )
    host = converged.host("n1")
    host["data"]["domains"][0]["accounts"] += [
        {"address": f"person{number}@n1-alpha.example", "display_name": "P"} for number in range(150)
    ]
    try:
        files = converged.sh("n1", "cd /etc/postfix; sha256sum *")
        report = converged.operate("converge", host)["n1"]
        assert report["status"] == "failed"
        assert "postfix: refused, nothing changed" in report["error"]
        assert "No space left on device" in report["error"]
        assert converged.sh("n1", "cd /etc/postfix; sha256sum *") == files
        assert converged.sh("n1", ANSWERS["postfix"]) == "220"
    finally:
        converged.sh("n1", "umount /etc/postfix")
    assert converged.operate("converge", converged.host("n1"))["n1"]["error"] is None


def test_a_firewall_that_would_shut_the_operator_out_is_not_closed(converged: Fleet) -> None:
    report = converged.operate("converge", converged.host("n1", operator_addresses=["203.0.113.0/24"]))["n1"]
    assert report["status"] == "failed"
    assert "operators.addresses does not contain" in report["error"]
    assert converged.operate("preview", converged.host("n1"))["n1"]["status"] == "unchanged"


def test_keys_without_the_operators_own_are_not_installed(converged: Fleet) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOmyN+lxHJt1ywPbkXV0CoA7smd7fEEfCoE1ORd0r+kb other"
    report = converged.operate("converge", converged.host("n1", ssh_keys=[other]))["n1"]
    assert report["status"] == "failed"
    assert "not among operators.ssh_keys" in report["error"]


def test_a_changed_host_key_and_a_host_that_is_down_are_told_and_the_rest_is_seen(converged: Fleet) -> None:
    pinned = converged.known_hosts.read_text()
    lines = pinned.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("n1."))
    stranger = next(line for line in lines if line.startswith("hub.")).split()[2]
    lines[at] = f"n1.infra.example,{ADDRESSES['n1']} ssh-ed25519 {stranger}\n"
    converged.known_hosts.write_text("".join(lines))
    converged.lab.power_off("n2")
    try:
        reports = converged.operate("preview", *map(converged.host, ADDRESSES))
        assert converged.known_hosts.read_text() == "".join(lines)
    finally:
        converged.known_hosts.write_text(pinned)
        converged.boot("n2")
    assert reports["n1"]["status"] == "unreachable"
    assert f"{converged.known_hosts}:{at + 1}" in reports["n1"]["error"]
    assert reports["n2"]["status"] == "unreachable"
    assert f"no SSH at {ADDRESSES['n2']}" in reports["n2"]["error"]
    # Looked at as ever; what it would get is the pins that were tampered with here.
    assert reports["hub"]["error"] is None
    assert [line for line in reports["hub"]["changes"] if "known_hosts" not in line] == []
    converged.operate("learn", converged.host("n2"))


def test_all_hosts_down_is_a_report_too(converged: Fleet) -> None:
    nobody = converged.host("n1", ssh_hostname="198.18.2.99")
    report = converged.operate("preview", nobody)["n1"]
    assert report["status"] == "unreachable"


def test_without_the_root_secret_a_node_fails_in_one_line(converged: Fleet) -> None:
    report = converged.operate("preview", converged.host("n1"), OUTREACH_SECRET="")["n1"]
    assert report["status"] == "failed"
    assert "OUTREACH_SECRET is not set" in report["error"]


@pytest.mark.parametrize("moment", ["copied", "half swapped", "swapped", "proving"])
def test_a_swap_that_dies_half_way_is_put_right_by_the_next_run(converged: Fleet, moment: str) -> None:
    """The script on the host is killed, as by a power cut, and the operator converges again."""
    kill = "kill -9 $$"
    script = REPOSITORY / "deploys/operations/swap.sh"
    moments = {
        "copied": ('[ ! -e "$state/applied" ] ||', f'{kill}; [ ! -e "$state/applied" ] ||'),
        "half swapped": ("swap() {\n", f'swap() {{\n    [ "$1" != /etc/postfix/senders ] || {kill}\n'),
        "swapped": ("elif ! run activate", f"elif {kill} || ! run activate"),
        "proving": ("elif ! run health", f"elif {kill} || ! run health"),
    }
    good, bad = moments[moment]
    text = script.read_text()
    assert good in text
    host = converged.host("n1")
    new = f"new-{moment.replace(' ', '-')}@n1-alpha.example"
    host["data"]["domains"][0]["accounts"].append({"address": new, "display_name": "N"})
    deadly = converged.known_hosts.parent / "deadly.sh"
    deadly.write_text(text.replace(good, bad))
    report = converged.operate("converge", host, SWAP_SCRIPT=str(deadly))["n1"]
    assert report["status"] == "failed"
    assert "run it again" in report["error"]
    again = converged.operate("converge", host)["n1"]
    assert again["error"] is None
    assert converged.operate("preview", host)["n1"]["status"] == "unchanged"
    assert (
        converged.sh("n1", "find /etc /var/lib/outreach -name '*.outreach-*' -o -name journal -path '/var/*'")
        == ""
    )
    assert new in converged.sh("n1", f"postmap -q {new} texthash:/etc/postfix/senders")


def test_a_killed_operator_leaves_hosts_that_the_next_run_converges(converged: Fleet) -> None:
    converged.lab.destroy("n2")
    converged.known_hosts.write_text(
        "".join(
            line for line in converged.known_hosts.read_text().splitlines(keepends=True) if "n2." not in line
        )
    )
    converged.boot("n2")
    host = converged.host("n2")
    converged.operate("learn", host)
    for seconds in (8, 20):
        process = subprocess.Popen(
            converged.command([sys.executable, "-m", "tests.deploys.nodes.driver", "converge"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=converged.environment,
            cwd=REPOSITORY,
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps([host]))
        process.stdin.close()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert converged.operate("converge", host)["n2"]["error"] is None
    assert converged.operate("preview", host)["n2"]["status"] == "unchanged"
    assert converged.sh("n2", "ls /usr/sbin/policy-rc.d 2>/dev/null; dpkg --audit") == ""
