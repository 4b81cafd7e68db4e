"""A host as seen from where the command runs: doors, the mail server's dialogue, certificates it shows."""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509

from status.facts import Certificate, Door, Greeting, Outside

SMTP, SUBMISSIONS, IMAPS = 25, 465, 993
_DOOR_SECONDS = 6.0
_DIALOGUE_SECONDS = 20.0


def look(address: str, ports: Sequence[int], recipients: Sequence[str]) -> Outside:
    """Look at one host. A silent one costs one time-out: all doors are tried at once.

    Args:
        address: where it should be.
        ports: the doors to try.
        recipients: to name on port 25, where the host takes mail; none tries no dialogue.
    """
    with ThreadPoolExecutor(max(len(ports), 1)) as pool:
        doors = dict(zip(ports, pool.map(lambda port: _knock(address, port), ports), strict=True))
    greeting: Greeting | None = None
    certificates: dict[int, Certificate] = {}
    if doors.get(SMTP) is Door.OPEN and recipients:
        greeting, shown = _dialogue(address, recipients)
        certificates |= {SMTP: shown} if shown else {}
    for port in (SUBMISSIONS, IMAPS):
        if doors.get(port) is Door.OPEN and (shown := _certificate(address, port)):
            certificates[port] = shown
    return Outside(doors, greeting, certificates)


def _knock(address: str, port: int) -> Door:
    try:
        socket.create_connection((address, port), _DOOR_SECONDS).close()
    except ConnectionRefusedError:
        return Door.REFUSED
    except OSError:  # a time-out, or no route
        return Door.SILENT
    return Door.OPEN


def _dialogue(address: str, recipients: Sequence[str]) -> tuple[Greeting, Certificate | None]:
    """EHLO, STARTTLS, MAIL, a RCPT for each recipient, QUIT; nothing is sent."""
    name, secured = "", False
    shown: Certificate | None = None
    refused: dict[str, str] = {}
    try:
        with smtplib.SMTP(address, SMTP, socket.gethostname(), _DIALOGUE_SECONDS) as smtp:
            _, said = smtp.ehlo()
            name = _line(said).partition(" ")[0].lower()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=_any_certificate())
                shown, secured = _shown(smtp.sock), True
                smtp.ehlo()
            code, said = smtp.mail("")
            if code != 250:
                return Greeting(name, secured, f"MAIL FROM:<>: {code} {_line(said)}"), shown
            for recipient in recipients:
                code, said = smtp.rcpt(recipient)
                if code // 100 != 2:
                    refused[recipient] = f"{code} {_line(said)}"
    except (OSError, ValueError, smtplib.SMTPException) as error:  # ValueError: a certificate of nonsense
        return Greeting(name, secured, str(error) or type(error).__name__, refused), shown
    return Greeting(name, secured, refused=refused), shown


def _certificate(address: str, port: int) -> Certificate | None:
    """What a port shows that speaks TLS from the first byte; None if it does not."""
    try:
        with (
            socket.create_connection((address, port), _DOOR_SECONDS) as link,
            _any_certificate().wrap_socket(link) as secured,
        ):
            return _shown(secured)
    except (OSError, ValueError):
        return None


def _any_certificate() -> ssl.SSLContext:
    """Takes what it is shown: it is looked at afterwards, and on mail ports nobody verifies it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shown(link: object) -> Certificate | None:
    der = link.getpeercert(binary_form=True) if isinstance(link, ssl.SSLSocket) else None
    if not der:
        return None
    end = x509.load_der_x509_certificate(der).not_valid_after_utc
    return Certificate(not_after=end.timestamp(), fingerprint=hashlib.sha256(der).hexdigest())


def _line(said: bytes) -> str:
    return re.sub(r"\s+", " ", said.decode("utf-8", "replace"))
