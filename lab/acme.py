"""The lab's certificate authority: pebble, which speaks ACME (RFC 8555) as Let's Encrypt does.

It asks for real proof of control, HTTP-01 on port 80 or TLS-ALPN-01 on 443, of whatever the lab's DNS names.
Two authorities are to be told apart. The one that vouches for pebble's own door is made here: every host
trusts it, operators find it in `ACME_CA`. The one that pebble issues from is new at each start: `Acme.root`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.addresses import ACME, ACME_NAME
from lab.dns import Dns
from lab.hosts import Hosts
from lab.world import ResourceRecord

UNIT = "pebble.service"
_HOST = "dns"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Acme:
    """The authority, seen from the lab.

    Args:
        directory: certificates of the authority's own door.
        dns: where its name is published.
        hosts: where it runs, beside the name server.
    """

    def __init__(self, directory: Path, dns: Dns, hosts: Hosts) -> None:
        self.directory = directory
        self.dns = dns
        self.hosts = hosts
        self.ca = directory / "ca.pem"

    def prepare(self, image: Path) -> Mapping[str, str]:
        """Make keys and certificates; files for the disk of the host it runs on.

        Args:
            image: root of the image that hosts boot from, whose trusted authorities ours is added to.
        """
        self.directory.mkdir()
        authority, authority_key = _authority()
        door, door_key = _door(authority, authority_key)
        self.ca.write_text(_pem(authority))
        trusted = (image / _BUNDLE.lstrip("/")).read_text()
        (self.directory / "bundle.pem").write_text(trusted + self.ca.read_text())
        return {"/etc/pebble/door.pem": _pem(door), "/etc/pebble/door.key": _private(door_key)}

    def host_files(self) -> dict[str, str]:
        """What makes a host trust the directory: what `update-ca-certificates` reads, and what it writes."""
        return {
            "/usr/local/share/ca-certificates/outreach-lab.crt": self.ca.read_text(),
            _BUNDLE: (self.directory / "bundle.pem").read_text(),
        }

    def publish(self) -> None:
        """Serve its name."""
        self.dns.publish(ACME_NAME, [ResourceRecord(ACME_NAME, "A", 5, ACME)])

    def root(self) -> str:
        """The root that it issues from since its last start, PEM."""
        return self.hosts.run(_HOST, ["curl", "-sSf", f"https://{ACME_NAME}:15000/roots/0"]).stdout


def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Outreach lab")
    made = _begun(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return made.sign(key, hashes.SHA256()), key


def _door(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(ACME_NAME)])
    made = _begun(_name(ACME_NAME), authority.subject, key).add_extension(names, critical=False)
    return made.sign(authority_key, hashes.SHA256()), key


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + 365 * day)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
