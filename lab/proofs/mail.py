"""Proofs that wanted mail arrives: signed, aligned, encrypted, answerable, and that failures come back."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from functools import partial

import authheaders
import dkim

from lab.proofs.scene import Disproved, Mailbox, Scene, compose, inbox, submit, wait_until

RECEIVER = "receiver.example"
RECEIVED = re.compile(r"from (\S+) \((\S+) \[([0-9.]+)\]\).*? with (E?SMTP\w*) id", re.DOTALL)
VERDICT = re.compile(r"(?<![\w.])(spf|dkim|dmarc)=(\w+)")


def _delivered(scene: Scene, host: str) -> tuple[Mailbox, bytes]:
    """Send a mail from the first account of `host`; that account, and the raw message the far side has."""
    sender = scene.mailboxes[host][0]
    message = compose(sender.address, f"carl@{RECEIVER}")
    submit(sender, message)
    token = str(message["Subject"]).encode()
    found: list[bytes] = []

    def look() -> bool:
        found[:] = [raw for raw in scene.far.messages("carl") if token in raw]
        return bool(found)

    wait_until(look, f"mail from {sender.address} in carl@{RECEIVER}")
    return sender, found[0]


def _results(message: Message) -> dict[str, str]:
    """The far side's own verdicts, from the Authentication-Results it wrote (RFC 8601)."""
    header = " ".join(str(value) for value in message.get_all("Authentication-Results") or ())
    return dict(VERDICT.findall(header))


def signed_mail_arrives(scene: Scene) -> str:
    """From every node: SPF, DKIM and DMARC pass at the receiver, which wrote them down itself."""
    seen = []
    for host in scene.nodes:
        sender, raw = _delivered(scene, host)
        verdicts = _results(message_from_bytes(raw))
        if any(verdicts.get(method) != "pass" for method in ("spf", "dkim", "dmarc")):
            raise Disproved(f"{sender.address} by {host}: {verdicts or 'no Authentication-Results'}")
        seen.append(f"{sender.address} by {Scene.label(host)}")
    return "spf=pass dkim=pass dmarc=pass for " + ", ".join(seen)


def verdicts_by_other_code(scene: Scene) -> str:
    """Others' code, dkimpy and authheaders, agrees; the one-click header is signed (RFC 8058)."""
    seen = []
    for host in scene.nodes:
        sender, raw = _delivered(scene, host)
        if not dkim.verify(raw):
            raise Disproved(f"dkimpy: the signature of {sender.domain} does not verify")
        # Not its authenticate_message, whose own reading of From ends a domain at the first hyphen (0.16.3).
        verdict, comment, *_ = authheaders.dmarc_per_from(
            sender.domain, dkim_result=authheaders.check_dkim(raw)
        )
        if verdict != "pass":
            raise Disproved(f"authheaders: dmarc={verdict} for {sender.domain} {comment}")
        if missing := {"from", "list-unsubscribe", "list-unsubscribe-post"} - _signed_headers(raw):
            raise Disproved(f"{sender.domain} leaves unsigned: {', '.join(sorted(missing))}")
        seen.append(sender.domain)
    return f"dkimpy and authheaders pass, List-Unsubscribe-Post is signed: {', '.join(seen)}"


def _signed_headers(raw: bytes) -> set[str]:
    """The header fields that the DKIM signature covers: its h= tag (RFC 6376 section 3.5)."""
    covered = re.search(r"\bh=([^;]+)", str(message_from_bytes(raw)["DKIM-Signature"]))
    return set(re.sub(r"\s", "", covered[1]).lower().split(":")) if covered else set()


def names_agree(scene: Scene) -> str:
    """HELO, PTR and A of every node are one name, as the receiver saw them; the session was encrypted."""
    seen = []
    for host, address in scene.nodes.items():
        _, raw = _delivered(scene, host)
        hop = str(message_from_bytes(raw).get_all("Received", [""])[0])
        match = RECEIVED.search(hop)
        if not match or match.groups() != (host, host, address, "ESMTPS"):
            raise Disproved(f"{host} [{address}] was seen as: {' '.join(hop.split())}")
        seen.append(f"{host} [{address}] ESMTPS")
    return "HELO = PTR = A: " + ", ".join(seen)


def reply_arrives(scene: Scene) -> str:
    """A reply of the far side is in the account's IMAP mailbox on every node."""
    seen = []
    for host in scene.nodes:
        sender = scene.mailboxes[host][0]
        message = compose(sender.address, f"echo@{RECEIVER}")
        submit(sender, message)
        _await_mail(sender, f"reply to {sender.address}", partial(_replies_to, str(message["Message-ID"])))
        seen.append(sender.address)
    return "read over IMAPS by " + ", ".join(seen)


def _await_mail(mailbox: Mailbox, what: str, wanted: Callable[[bytes], bool]) -> bytes:
    """The first raw message in the account's mailbox that is wanted, once it is there."""
    found: list[bytes] = []

    def look() -> bool:
        found[:] = filter(wanted, inbox(mailbox))
        return bool(found)

    wait_until(look, what)
    return found[0]


def _replies_to(message_id: str, raw: bytes) -> bool:
    # By its header: a notification that the mail failed quotes the id too.
    return str(message_from_bytes(raw)["In-Reply-To"]).strip() == message_id


def refusal_comes_back(scene: Scene) -> str:
    """A remote 5xx returns as a delivery status notification (RFC 3464) in the account's mailbox."""
    sender = _first(scene)
    message = compose(sender.address, f"bounce@{RECEIVER}")
    submit(sender, message)
    token = str(message["Message-ID"]).encode()
    report = _await_mail(
        sender,
        f"DSN for {message['To']} in {sender.address}",
        lambda raw: token in raw and b"report-type=delivery-status" in raw,
    )
    status = re.search(rb"^Status: (5\.\d+\.\d+)", report, re.MULTILINE)
    if not status:
        raise Disproved("the notification carries no Status of class 5")
    return f"{sender.address} got a DSN, Status: {status[1].decode()}"


def _first(scene: Scene) -> Mailbox:
    return scene.mailboxes[next(iter(scene.nodes))][0]
