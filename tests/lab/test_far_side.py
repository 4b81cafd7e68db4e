"""The far side accepts, verifies, answers and refuses as receivers on the internet do."""

from __future__ import annotations

import base64
import email
import json
import subprocess
import sys
import uuid
from email.message import Message
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import Lab
from lab.world import ResourceRecord

pytestmark = pytest.mark.lab

SENDER = "198.19.0.30"  # the stranger; some zones below name it as their sender


@pytest.fixture(scope="module")
def signing_key(lab: Lab) -> bytes:
    """The DKIM key of sender.example; that zone names the stranger as its sender, victim.example does not."""
    key = rsa.generate_private_key(65537, 2048)
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = f"v=DKIM1; k=rsa; p={_base64(der)}"
    quoted = " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))
    for zone, address in {"sender.example": SENDER, "victim.example": "198.19.0.99"}.items():
        lab.publish(
            zone,
            [
                ResourceRecord(zone, "TXT", 5, f'"v=spf1 ip4:{address} -all"'),
                ResourceRecord(f"_dmarc.{zone}", "TXT", 5, '"v=DMARC1; p=reject; adkim=s; aspf=s"'),
                ResourceRecord(f"s1._domainkey.{zone}", "TXT", 5, quoted),
            ],
        )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def send(lab: Lab, sender: str, recipient: str, *options: str, data: str = "") -> tuple[str, str]:
    """Send from the stranger; returns the far side's last words to DATA or RCPT, and the message's token."""
    token = uuid.uuid4().hex
    message = data or f"From: {sender}\nTo: {recipient}\nSubject: {token}\n\nHello\n"
    argv = [
        "swaks",
        "--server",
        "mx.receiver.example",
        "--helo",
        "stranger.receiver.example",
        "--from",
        sender,
    ]
    done = lab.run(
        "stranger", [*argv, "--to", recipient, "--data", "-", *options], stdin=message, check=False
    )
    replies = [line[4:].strip() for line in done.stdout.splitlines() if line.startswith("<")]
    return next(reply for reply in reversed(replies) if not reply.startswith("221")), token


def verdicts(raw: bytes) -> dict[str, str]:
    """Method and result of each verdict in the far side's own Authentication-Results (RFC 8601)."""
    message: Message = email.message_from_bytes(raw)
    parts = str(message["Authentication-Results"]).replace("\n", " ").split(";")[1:]
    return {part.split("=")[0].strip(): part.split("=")[1].split()[0] for part in parts}


def test_signed_mail_arrives_with_three_passes_over_tls(lab: Lab, signing_key: bytes) -> None:
    token = uuid.uuid4().hex
    message = (
        f"From: a@sender.example\r\nTo: carl@receiver.example\r\nSubject: {token}\r\n\r\nHello\r\n".encode()
    )
    signed = (dkim.sign(message, b"s1", b"sender.example", signing_key) + message).decode()
    said, _ = send(lab, "a@sender.example", "carl@receiver.example", "--tls", data=signed)
    assert said.startswith("250 ")
    raw = lab.far_side.wait_for_message("carl", token)
    assert verdicts(raw) == {"spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert b"using TLSv1.3" in raw


def test_unsigned_mail_from_the_named_sender_passes_by_spf_and_shows_no_signature(
    lab: Lab, signing_key: bytes
) -> None:
    _, token = send(lab, "a@sender.example", "carl@receiver.example")
    assert verdicts(lab.far_side.wait_for_message("carl", token)) == {
        "spf": "pass",
        "dkim": "none",
        "dmarc": "pass",
    }


def test_a_forged_sender_is_refused_by_its_dmarc_policy(lab: Lab, signing_key: bytes) -> None:
    said, _ = send(lab, "a@victim.example", "carl@receiver.example")
    assert said.startswith("554 5.7.1 ")


@pytest.mark.parametrize(
    ("mailbox", "answer"),
    [
        ("bounce", "550 5.1.1"),
        ("disabled", "550 5.2.1"),
        ("full", "452 4.2.2"),
        ("overquota", "552 5.2.2"),
        ("grey", "450 4.2.0"),
        ("nobody", "550 5.1.1"),
    ],
)
def test_a_mailbox_refuses_as_its_name_says(mailbox: str, answer: str, lab: Lab, signing_key: bytes) -> None:
    said, _ = send(lab, "a@sender.example", f"{mailbox}@receiver.example")
    assert said.startswith(answer)


def test_the_catch_all_domain_takes_mail_for_any_name_and_no_other_domain_does(
    lab: Lab, signing_key: bytes
) -> None:
    said, token = send(lab, "a@sender.example", f"{uuid.uuid4().hex}@catchall.example")
    assert said.startswith("250 ")
    assert lab.far_side.wait_for_message("catchall", token)


def test_the_validator_reads_the_far_sides_answers_as_they_are_meant(lab: Lab) -> None:
    meant = {
        "carl@receiver.example": "VALID",
        "nobody@receiver.example": "MAILBOX_NOT_FOUND",
        "bounce@receiver.example": "MAILBOX_NOT_FOUND",
        "disabled@receiver.example": "DISABLED",
        "full@receiver.example": "FULL",
        "overquota@receiver.example": "FULL",
        "grey@receiver.example": "GREYLISTED",
        "anyone@catchall.example": "CATCH_ALL",
        "carl@nowhere.example": "NO_MX",
    }
    validator = [Path(sys.executable).with_name("validator"), "check", *meant, "--json", "--allow-private"]
    command = lab.operator_command(
        [*map(str, validator), "--rate-limit", "0", "--helo", "operator.lab.example"]
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seen = {verdict["email"]: verdict["status"] for verdict in map(json.loads, done.stdout.splitlines())}
    assert seen == meant, done.stderr


def test_the_validators_doctor_finds_a_mail_server_to_greet(lab: Lab) -> None:
    doctor = [str(Path(sys.executable).with_name("validator")), "doctor", "--allow-private"]
    done = subprocess.run(lab.operator_command(doctor), capture_output=True, text=True, check=False)
    assert "ok   port 25 is open: mx.receiver.example answered 220." in done.stdout


def test_the_far_side_is_no_open_relay(lab: Lab, signing_key: bytes) -> None:
    said, _ = send(lab, "a@sender.example", "a@elsewhere.example")
    assert said.startswith("554 5.7.1 ")


def test_echo_answers_a_mail_with_a_mail_of_its_own_and_never_a_machine(lab: Lab, signing_key: bytes) -> None:
    original = f"<{uuid.uuid4().hex}@sender.example>"
    head = "From: Ann <carl@receiver.example>\nTo: echo@receiver.example\nSubject: Hello\n"
    # The reply goes to the From header; here that is a mailbox of the far side, so that the test can read it.
    send(
        lab, "carl@receiver.example", "echo@receiver.example", data=f"{head}Message-ID: {original}\n\nHello\n"
    )
    answer = email.message_from_bytes(lab.far_side.wait_for_message("carl", original))
    assert answer["In-Reply-To"] == original
    assert answer["Subject"] == "Re: Hello"
    assert answer["From"] == "Echo <echo@receiver.example>"
    robot = f"<{uuid.uuid4().hex}@sender.example>"
    machine = f"{head}Message-ID: {robot}\nAuto-Submitted: auto-replied\n\nHello\n"
    send(lab, "carl@receiver.example", "echo@receiver.example", data=machine)
    send(lab, "carl@receiver.example", "echo@receiver.example", data=f"{head}Message-ID: <last@x>\n\nHello\n")
    lab.far_side.wait_for_message("echo", robot)
    lab.far_side.wait_for_message("carl", "<last@x>")
    assert not [raw for raw in lab.far_side.messages("carl") if robot.encode() in raw]


def test_the_strangers_name_and_address_agree_so_that_only_policy_shuts_it_out(lab: Lab) -> None:
    assert (
        lab.run("dns", ["kdig", "@198.18.0.2", "+short", "-x", SENDER]).stdout
        == "stranger.receiver.example.\n"
    )
    assert lab.run("stranger", ["getent", "hosts", "stranger.receiver.example"]).stdout.split()[0] == SENDER
