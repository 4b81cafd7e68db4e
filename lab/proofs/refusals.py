"""Proofs of what must not work: spoofing, relaying, unsigned mail, SSH by password, strangers let in."""

from __future__ import annotations

import json
import re
import smtplib
import subprocess
from collections.abc import Callable
from functools import partial

from lab.proofs.doors import open_doors
from lab.proofs.scene import Disproved, Mailbox, Scene, compose, submit

RECIPIENT = "carl@receiver.example"
CLOSED_TO_STRANGERS = (22, 465, 587, 993)
_SSH_OPTIONS = {
    "PubkeyAuthentication": "no",
    "NumberOfPasswordPrompts": "0",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
}
_PASSWORD_ONLY = ["-F", "none", *(f"-o{option}={value}" for option, value in _SSH_OPTIONS.items())]


def _refusal(attempt: Callable[[], None]) -> str:
    """The node's refusal of what was tried, as 'CODE text'.

    Raises:
        Disproved: when it was accepted.
    """
    try:
        attempt()
    except smtplib.SMTPSenderRefused as error:
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return f"{code} {_text(text)}"
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    raise Disproved("it was accepted")


def _text(reply: bytes | str) -> str:
    return reply.decode("ascii", "replace") if isinstance(reply, bytes) else reply


def _each_node(scene: Scene, attempt: Callable[[Mailbox, Mailbox], None]) -> dict[str, str]:
    seen = {}
    for host in scene.nodes:
        sender, colleague = scene.mailboxes[host]
        seen[Scene.label(host)] = _refusal(lambda s=sender, c=colleague: attempt(s, c))  # type: ignore[misc]
    return seen


def _expect(seen: dict[str, str], pattern: str) -> str:
    for host, reply in seen.items():
        if not re.match(pattern, reply):
            raise Disproved(f"{host} answered {reply}")
    return "; ".join(f"{host}: {reply}" for host, reply in seen.items())


def envelope_is_bound_to_login(scene: Scene) -> str:
    """Account a cannot use the envelope sender of account b."""

    def attempt(sender: Mailbox, colleague: Mailbox) -> None:
        message = compose(sender.address, RECIPIENT)
        submit(sender, message, envelope_from=colleague.address)

    return _expect(_each_node(scene, attempt), r"553 ")


def header_is_bound_to_login(scene: Scene) -> str:
    """Account a cannot write account b into the From header."""

    def attempt(sender: Mailbox, colleague: Mailbox) -> None:
        submit(sender, compose(sender.address, RECIPIENT, header_from=colleague.address))

    return _expect(_each_node(scene, attempt), r"55\d ")


def no_open_relay(scene: Scene) -> str:
    """A stranger cannot send through a node's port 25, not even as one of its own domains."""
    seen = {}
    for host, address in scene.nodes.items():
        sender = scene.mailboxes[host][0].address
        output = _swaks(scene, address, sender, RECIPIENT)
        refused = re.search(r"<\*\* +(\d{3} .*)", output)
        seen[Scene.label(host)] = refused[1] if refused else f"accepted: {output[-200:]}"
    return _expect(seen, r"[45]5\d ")


def _swaks(scene: Scene, server: str, sender: str, recipient: str) -> str:
    dialogue = ["swaks", "--server", server, "--from", sender, "--to", recipient, "--quit-after", "RCPT"]
    return scene.run(scene.stranger, ["sh", "-c", '"$@" || true', "sh", *dialogue])


def password_ssh_is_refused(scene: Scene) -> str:
    """SSH offers no password to anyone, the operator included."""
    seen = []
    for host in scene.nodes:
        answer = subprocess.run(
            ["ssh", *_PASSWORD_ONLY, f"root@{host}", "true"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if answer.returncode == 0 or "Permission denied (publickey)" not in answer.stderr:
            raise Disproved(f"{host}: {answer.stderr.strip() or 'let in'}")
        seen.append(Scene.label(host))
    return f"Permission denied (publickey): {', '.join(seen)}"


def doors_are_closed_to_strangers(scene: Scene) -> str:
    """SSH, submission and IMAP time out for a stranger; port 25 answers."""
    ports = (*CLOSED_TO_STRANGERS, 25)
    targets = [f"{address} {port}" for address in scene.nodes.values() for port in ports]
    found = open_doors(partial(scene.run, scene.stranger), targets)
    if wrong := found ^ {target for target in targets if target.endswith(" 25")}:
        raise Disproved(f"{scene.stranger} finds open, or should have found: {'; '.join(sorted(wrong))}")
    closed = ", ".join(map(str, CLOSED_TO_STRANGERS))
    return f"{closed} closed and 25 open on {', '.join(map(Scene.label, scene.nodes))}"


def nothing_leaves_unsigned(scene: Scene) -> str:
    """With the signer stopped a node refuses mail for later; nothing is queued, nothing leaves."""
    host = next(iter(scene.nodes))
    label = Scene.label(host)
    sender = scene.mailboxes[host][0]
    message = compose(sender.address, RECIPIENT)
    scene.run(label, ["systemctl", "stop", "rspamd"])
    try:
        refusal = _refusal(lambda: submit(sender, message))
        # One JSON object a line for each mail (postqueue(1)); it names the sender, not the subject.
        queue = [json.loads(line) for line in scene.run(label, ["postqueue", "-j"]).splitlines()]
    finally:
        scene.run(label, ["systemctl", "start", "rspamd"])
    if not refusal.startswith("4"):
        raise Disproved(f"{label} answered {refusal}")
    if any(mail["sender"] == sender.address for mail in queue):
        raise Disproved(f"{label} queued it unsigned")
    if any(str(message["Subject"]).encode() in raw for raw in scene.far.messages("carl")):
        raise Disproved("it arrived unsigned")
    return f"{label} with rspamd stopped: {refusal}; queue and far side hold nothing of it"
