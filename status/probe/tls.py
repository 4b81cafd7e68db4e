"""Certificates: on disk, and as a port shows them."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from pathlib import Path
from typing import Any

from status.probe.commands import DOOR, PATIENCE, Unread, run


def certificate(path: str) -> dict[str, Any]:
    """End and fingerprint of the certificate in a file."""
    try:
        blocks = re.findall(
            r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", Path(path).read_text(), re.DOTALL
        )
    except OSError as error:
        raise Unread(f"{path}: {error.strerror}") from None
    if not blocks:
        raise Unread(f"{path} holds no certificate")
    return told(ssl.PEM_cert_to_DER_cert(blocks[0]))


def told(der: bytes) -> dict[str, Any]:
    """End and fingerprint of a certificate."""
    if not der:
        raise Unread("no certificate is shown")
    pem = ssl.DER_cert_to_PEM_cert(der)
    end = run("openssl", "x509", "-noout", "-enddate", given=pem).strip().partition("=")[2]
    return {"not_after": ssl.cert_time_to_seconds(end), "fingerprint": hashlib.sha256(der).hexdigest()}


def shown(address: str, port: int, name: str, *, greets: bool = False) -> dict[str, Any]:
    """The certificate that a port of this host shows to who asks for a name.

    Args:
        address: where it listens.
        port: there.
        name: asked for (SNI).
        greets: it says a line in the clear before TLS, as NATS does.
    """
    try:
        with socket.create_connection((address, port), DOOR) as link:
            link.settimeout(PATIENCE)
            if greets:
                while not link.recv(4096).endswith(b"\n"):
                    pass
            with any_certificate().wrap_socket(link, server_hostname=name) as line:
                return told(certificate_of(line))
    except OSError as error:
        raise Unread(f"port {port}: {error.strerror or error or type(error).__name__}") from None


def any_certificate() -> ssl.SSLContext:
    """Takes what it is shown: it is looked at afterwards, and on mail ports nobody verifies it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def certificate_of(link: object) -> bytes:
    """What the other end of a TLS connection showed, as DER; empty if it showed none."""
    return (link.getpeercert(binary_form=True) or b"") if isinstance(link, ssl.SSLSocket) else b""
