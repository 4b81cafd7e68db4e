"""The SSH key with which the orchestrator asks every host for its status, and that opens nothing else there.

Derived from the root secret as every key is that hosts know each other by: both halves are known before any
host is there, an orchestrator that is built anew has the same one, and nothing is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deploys.secrets import derive

PROBE = "/opt/outreach/current/bin/python -I -m status.probe"
"""What sshd starts for it, as root, whatever it is told to: it reads, and refuses what is no question."""


@dataclass(frozen=True)
class WatchKey:
    """Both halves.

    Args:
        private: PKCS #8, PEM, which OpenSSH reads since 9.6.
        public: as in authorized_keys, without a comment.
    """

    private: str = field(repr=False)
    public: str


def watch_key(secret: bytes, infra_domain: str) -> WatchKey:
    """A fleet's.

    Args:
        secret: from :func:`deploys.secrets.root_secret`.
        infra_domain: two fleets of one secret have different ones.
    """
    key = Ed25519PrivateKey.from_private_bytes(derive(secret, "status key", infra_domain, 32))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return WatchKey(private.decode(), public.decode())


def authorization(public: str, orchestrator_ipv4: str) -> str:
    """The line of a host's authorized_keys (sshd(8)): one command, from one address, nothing forwarded."""
    return f'restrict,from="{orchestrator_ipv4}",command="{PROBE}" {public} outreach-status'
