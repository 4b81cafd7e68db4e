"""The fleet's own certificate authority and its hosts' certificates, derived from the root secret.

Nothing is stored: the same fleet and secret make the same bytes, today and on another laptop (HKDF, RFC
5869; Ed25519 signs without randomness, RFC 8032). A host's private key is known to the host and to whoever
holds the root secret, which derives every other secret too. These certificates are for traffic between the
fleet's hosts; mail servers and people's clients see others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploys.secrets import derive

# Fixed, or the bytes would change by the day. Who gets hold of a key is shut out by another root secret and
# not by a date.
_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_UNTIL = datetime(2056, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class HostCertificate:
    """What a host shows, PEM.

    Args:
        certificate: signed by the fleet's authority for the host's name and address, as server and client.
        key: PKCS #8, without a password.
    """

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Trust:
    """What a host needs to show itself to the fleet's others and to know them.

    Args:
        authority: the fleet's CA certificate, PEM.
        own: the host's certificate.
    """

    authority: str
    own: HostCertificate


def trust(secret: bytes, infra_domain: str, fqdn: str, ipv4: str) -> Trust:
    """A host's; see :func:`authority` and :func:`host_certificate`."""
    return Trust(authority(secret, infra_domain), host_certificate(secret, infra_domain, fqdn, ipv4))


def authority(secret: bytes, infra_domain: str) -> str:
    """The fleet's CA certificate, PEM.

    Args:
        secret: from :func:`deploys.secrets.root_secret`.
        infra_domain: the fleet's infrastructure domain; two fleets of one secret trust each other not.
    """
    key, name = _authority_key(secret, infra_domain), _authority_name(infra_domain)
    public = key.public_key()
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(name, name, public, "")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _pem(builder.sign(key, None))


def host_certificate(secret: bytes, infra_domain: str, fqdn: str, ipv4: str) -> HostCertificate:
    """A host's certificate and key.

    Args:
        secret: from :func:`deploys.secrets.root_secret`.
        infra_domain: the fleet's infrastructure domain.
        fqdn: the host's full name; its key is derived from it.
        ipv4: its address; with another one it has another certificate over the same key.
    """
    issuer = _authority_key(secret, infra_domain)
    key = Ed25519PrivateKey.from_private_bytes(derive(secret, "tls key", fqdn, 32))
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, fqdn[:64])]
    )  # X.520's bound; nobody reads it
    names = x509.SubjectAlternativeName([x509.DNSName(fqdn), x509.IPAddress(IPv4Address(ipv4))])
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    builder = (
        _builder(_authority_name(infra_domain), subject, key.public_key(), ipv4)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(names, critical=False)
        .add_extension(known, critical=False)
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return HostCertificate(_pem(builder.sign(issuer, None)), plain.decode())


def _authority_key(secret: bytes, infra_domain: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derive(secret, "fleet authority", infra_domain, 32))


def _authority_name(infra_domain: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fleet {infra_domain}"[:64])])


def _builder(
    issuer: x509.Name, subject: x509.Name, public: Ed25519PublicKey, also: str
) -> x509.CertificateBuilder:
    # Unique for each content, as RFC 5280 section 4.1.2.2 wants it, without a book of those given out.
    seen = hashlib.sha256(public.public_bytes_raw() + f"{subject.rfc4514_string()}\0{also}".encode()).digest()
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public)
        .serial_number(int.from_bytes(seen[:16]) | 1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
