"""The fleet's authority: the same bytes each time, and accepted by OpenSSL for the right name alone."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from pathlib import Path

import pytest

from deploys.pki import authority, host_certificate

SECRET = b"0123456789abcdef" * 4
HOST = ("infra.example", "n1.infra.example", "127.0.0.1")


def test_the_same_secret_makes_the_same_bytes_for_ever() -> None:
    made = host_certificate(SECRET, *HOST)
    assert made == host_certificate(SECRET, *HOST)
    text = authority(SECRET, HOST[0]) + made.certificate + made.key
    # Another value here means that every host of every fleet gets new certificates.
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "9b7f44116867752629260144e96d5af9b6f12171943a302beb74b9a21ce4c61e"
    )


@pytest.mark.parametrize(
    ("other", "same_key"),
    [
        ((SECRET, "infra.example", "n2.infra.example", "127.0.0.1"), False),
        ((SECRET, "infra.example", "n1.infra.example", "127.0.0.2"), True),
        ((SECRET, "other.example", "n1.infra.example", "127.0.0.1"), True),
        ((SECRET + b"0", "infra.example", "n1.infra.example", "127.0.0.1"), False),
    ],
)
def test_another_host_address_fleet_or_secret_makes_another_certificate(
    other: tuple[bytes, str, str, str], same_key: bool
) -> None:
    one, two = host_certificate(SECRET, *HOST), host_certificate(*other)
    assert one.certificate != two.certificate
    assert (one.key == two.key) is same_key


def test_the_key_is_not_in_what_python_prints() -> None:
    assert "PRIVATE" not in repr(host_certificate(SECRET, *HOST))


def handshake(folder: Path, ca: str, name: str, own: tuple[str, str, str]) -> str | None:
    """Greet a server with the certificate of `own`, strictly; the error, if any."""
    made = host_certificate(SECRET, *own)
    (folder / "crt").write_text(made.certificate)
    (folder / "key").write_text(made.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "crt", folder / "key")
    client = ssl.create_default_context(cadata=ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        here.close()
        thread.join()
    return None


@pytest.mark.parametrize(
    ("ca", "name", "own", "error"),
    [
        ("infra.example", "n1.infra.example", HOST, None),
        ("infra.example", "127.0.0.1", HOST, None),
        ("infra.example", "n2.infra.example", HOST, "Hostname mismatch"),
        ("infra.example", "127.0.0.2", HOST, "IP address mismatch"),
        ("other.example", "n1.infra.example", HOST, "unable to get local issuer"),
    ],
)
def test_a_client_that_trusts_the_fleet_takes_the_right_host_and_no_other(
    tmp_path: Path, ca: str, name: str, own: tuple[str, str, str], error: str | None
) -> None:
    found = handshake(tmp_path, authority(SECRET, ca), name, own)
    assert (found is None) if error is None else (found is not None and error in found)
