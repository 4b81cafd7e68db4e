"""Hosts converged for real: from bare to sending, and not a change more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dkim
import pytest

from tests.deploys.nodes.conftest import ADDRESSES, REPOSITORY, Fleet

pytestmark = pytest.mark.lab

SEND = """
import sys
from lab.proofs.scene import Mailbox, compose, submit
from email import message_from_string
sender, recipient, header_from, host, password = sys.argv[1:6]
message = compose(sender, recipient, header_from=header_from or None)
submit(Mailbox(sender, password, host, ""), message)
print(message["Subject"])
"""


def send(
    fleet: Fleet, sender: str, node: str, *, header_from: str = "", to: str = "carl@receiver.example"
) -> str:
    """Submit a mail as an operator's client would; the subject, or the error's last line."""
    box = fleet.mailbox(sender, node)
    argv = [sys.executable, "-c", SEND, sender, to, header_from, box.host, box.password]
    done = subprocess.run(
        fleet.command(argv), cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout or done.stderr.splitlines()[-1]).strip()


def test_bare_hosts_converge_and_a_second_run_changes_nothing(converged: Fleet) -> None:
    assert [(name, converged.first[name]["error"]) for name in ADDRESSES] == [
        (name, None) for name in ADDRESSES
    ]
    assert {converged.first[name]["status"] for name in ADDRESSES} == {"changed"}
    hosts = [converged.host(name) for name in ADDRESSES]
    for verb in ("preview", "converge"):
        again = converged.operate(verb, *hosts)
        assert {name: (again[name]["status"], again[name]["changes"]) for name in ADDRESSES} == {
            name: ("unchanged", []) for name in ADDRESSES
        }


def test_every_host_goes_through_the_same_operations_whatever_its_role(converged: Fleet) -> None:
    operations = {
        name: [
            event.removeprefix(f"{name} ")
            for event in converged.first["events"]
            if event.endswith("started") and event.startswith(f"{name} ")
        ]
        for name in ADDRESSES
    }
    assert operations["hub"] == operations["n1"] == operations["n2"]


def test_an_orchestrator_has_no_mail_server(converged: Fleet) -> None:
    assert converged.sh("hub", "ls /etc/postfix /etc/dovecot /etc/rspamd 2>/dev/null") == ""
    assert converged.sh("hub", "hostname -f; systemctl is-active unbound nftables ssh").splitlines() == [
        "hub.infra.example",
        "active",
        "active",
        "active",
    ]


def test_signed_mail_arrives_and_its_signature_verifies(converged: Fleet) -> None:
    converged.publish("n1", "n2")
    for node in ("n1", "n2"):
        subject = send(converged, f"ann@{node}-alpha.example", node)
        raw = converged.lab.far_side.wait_for_message("carl", subject)
        assert dkim.verify(raw, dnsfunc=lambda name, **_: txt(converged, name))
        verdict = raw.decode().split("Authentication-Results:")[1]
        assert all(f"{method}=pass" in verdict for method in ("spf", "dkim", "dmarc"))


def txt(fleet: Fleet, name: bytes) -> bytes:
    """A TXT record as a node resolves it."""
    script = f"unbound-host -C /etc/unbound/unbound.conf -v -t TXT {name.decode()}"
    answer = fleet.sh("n2", script)
    return "".join(answer.split('"')[1::2]).encode()


def test_a_login_sends_as_itself_alone(converged: Fleet) -> None:
    ann, bob = "ann@n1-alpha.example", "bob@n1-alpha.example"
    assert "554" in send(converged, ann, "n1", header_from=bob)
    assert "554" in send(converged, ann, "n1", header_from="ceo@n1-bravo.example")
    assert "Rehearsal" in send(converged, ann, "n1", header_from=f'"Ann Berg" <{ann.title()}>')


def test_with_the_signer_stopped_nothing_leaves_unsigned(converged: Fleet) -> None:
    converged.sh("n1", "systemctl stop rspamd")
    try:
        refusal = send(converged, "ann@n1-alpha.example", "n1")
        queued = converged.sh("n1", "postqueue -j")
    finally:
        converged.sh("n1", "systemctl start rspamd")
    assert "45" in refusal
    assert queued == ""


def test_a_missing_key_holds_mail_back_instead_of_sending_it_unsigned(converged: Fleet) -> None:
    key = "/var/lib/rspamd/dkim/n2-bravo.example.s1.key"
    converged.sh("n2", f"mv {key} {key}.away")
    try:
        assert "451" in send(converged, "ann@n2-bravo.example", "n2")
    finally:
        converged.sh("n2", f"mv {key}.away {key}")


def test_a_service_that_stopped_or_a_file_that_was_edited_is_put_right(converged: Fleet) -> None:
    before = converged.sh("n2", "sha256sum /etc/postfix/main.cf")
    converged.sh("n2", "systemctl stop dovecot; echo 'soft_bounce = yes' >>/etc/postfix/main.cf")
    report = converged.operate("converge", converged.host("n2"))["n2"]
    assert report["status"] == "changed"
    assert any("start dovecot" in line for line in report["changes"])
    assert any("-soft_bounce = yes" in line for line in report["changes"])
    assert converged.sh("n2", "sha256sum /etc/postfix/main.cf") == before
    assert converged.sh("n2", "systemctl is-active dovecot") == "active"


def test_a_private_key_is_never_made_again(converged: Fleet) -> None:
    keys = converged.operate("keys", converged.host("n2"))
    converged.sh("n2", "chmod 644 /var/lib/rspamd/dkim/*.key")
    report = converged.operate("converge", converged.host("n2"))["n2"]
    assert [line for line in report["changes"] if "644 _rspamd -> 600 _rspamd" in line]
    assert converged.operate("keys", converged.host("n2")) == keys
    assert all(len(key) > 300 for key in keys.values())


def test_by_hand_with_pyinfra_nothing_changes_and_no_secret_is_printed(
    converged: Fleet, tmp_path: Path
) -> None:
    hosts = [(name, converged.host(name)["data"]) for name in ADDRESSES]
    inventory = tmp_path / "inventory.py"
    inventory.write_text(f"hosts = {hosts!r}\n")
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    converged.sh("n2", "sed -i s/6/7/ /etc/dovecot/users")
    said = ""
    for options in (["--dry", "-vvv", "--diff", "--debug-operations"], ["-y", "-vvv", "--diff"], ["--dry"]):
        done = subprocess.run(
            converged.command([pyinfra, str(inventory), "deploys/site.py", *options]),
            env=converged.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        assert "$6$" not in said
        assert converged.environment["OUTREACH_SECRET"] not in said
        for box in ("postmaster@n1.infra.example", "ann@n1-alpha.example"):
            assert converged.mailbox(box, "n1").password not in said
    assert "content changes" not in said


def test_submission_is_refused_before_tls_and_relaying_always(converged: Fleet) -> None:
    said = converged.lab.run(
        "stranger",
        ["swaks", "--server", ADDRESSES["n1"], "--to", "x@elsewhere.example", "--from", "x@receiver.example"],
        check=False,
    ).stdout
    assert "554 5.7.1" in said
    script = f"timeout 2 bash -c '</dev/tcp/{ADDRESSES['n1']}/587' 2>/dev/null && echo open || echo closed"
    assert converged.lab.run("stranger", ["sh", "-c", script]).stdout.strip() == "closed"
