"""What proofs need of the world: the fleet, its hosts' addresses, its accounts, and the far side."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol


class Disproved(Exception):
    """The world is not as promised; the message says what was seen instead."""


class Run(Protocol):
    """Runs a command as root on a host."""

    def __call__(self, host: str, argv: list[str], *, timeout: float = 120) -> str:
        """What it printed; raises on a non-zero exit, or after `timeout` seconds. `host` is a label."""


class Far(Protocol):
    """The receiving side of the lab."""

    def messages(self, mailbox: str) -> list[bytes]:
        """Every raw message that reached `mailbox`, oldest first."""


@dataclass(frozen=True)
class Mailbox:
    """An account as a mail client knows it.

    Args:
        address: login and sender.
        password: derived from the root secret.
        host: the node's full name.
        domain: its domain.
    """

    address: str
    password: str
    host: str
    domain: str


@dataclass(frozen=True)
class Scene:
    """The stage of the proofs.

    Args:
        nodes: full name of each sending node -> its address.
        mailboxes: full name of each node -> two of its mailboxes; the second is the colleague of the first.
        selectors: domain -> DKIM selector.
        far: the receiving side.
        run: runs a command on a host.
        fleet: the fleet file.
        orchestrator: label of the host whose programs use the nodes' REST service.
        telegram: where the emulated Telegram is.
        key: n8n's, to the orchestrator's own REST service.
        stranger: label of a host that is neither operator nor orchestrator.
        receiver: label of the receiving host.
    """

    nodes: Mapping[str, str]
    mailboxes: Mapping[str, tuple[Mailbox, Mailbox]]
    selectors: Mapping[str, str]
    far: Far
    run: Run
    fleet: Path
    orchestrator: str
    telegram: str
    key: str
    stranger: str = "stranger"
    receiver: str = "mx"

    @staticmethod
    def label(host: str) -> str:
        """The short name of a host, by which the lab knows it."""
        return host.partition(".")[0]


def wait_until(found: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Poll until `found` returns something true.

    Raises:
        Disproved: when it has not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise Disproved(f"{what}: not seen within {seconds:.0f} s")
        time.sleep(0.25)


def client_tls() -> ssl.SSLContext:
    """TLS as a client that takes the node's certificate as it is: it is self-signed in a rehearsal."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def compose(sender: str, recipient: str, *, header_from: str | None = None) -> EmailMessage:
    """A plain, wanted mail with one-click unsubscribe (RFC 8058) and a token of its own in the subject."""
    message = EmailMessage()
    message["From"] = header_from or sender
    message["To"] = recipient
    message["Subject"] = f"Rehearsal {uuid.uuid4().hex}"
    message["Date"] = formatdate()
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = make_msgid(domain=domain)
    message["List-Unsubscribe"] = f"<https://{domain}/unsubscribe?t={uuid.uuid4().hex}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("Hello, this is the mail that ends a rehearsal.\n")
    return message


def submit(mailbox: Mailbox, message: EmailMessage, *, envelope_from: str | None = None) -> None:
    """Send over authenticated submission on 587 with STARTTLS.

    Raises:
        smtplib.SMTPException: whatever the node refused.
    """
    with smtplib.SMTP(mailbox.host, 587, timeout=20) as smtp:
        smtp.starttls(context=client_tls())
        smtp.login(mailbox.address, mailbox.password)
        smtp.send_message(message, from_addr=envelope_from or mailbox.address)


def inbox(mailbox: Mailbox) -> list[bytes]:
    """Every raw message in the account's INBOX, read over IMAPS."""
    with imaplib.IMAP4_SSL(mailbox.host, 993, ssl_context=client_tls(), timeout=20) as imap:
        imap.login(mailbox.address, mailbox.password)
        imap.select("INBOX", readonly=True)
        _, found = imap.search(None, "ALL")
        raw = []
        for number in found[0].split():
            _, parts = imap.fetch(number.decode(), "(RFC822)")
            raw += [part[1] for part in parts if isinstance(part, tuple)]
    return raw
