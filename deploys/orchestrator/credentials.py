"""What the orchestrator's services know each other by, derived from the root secret; nothing of it is random.

The same input gives the same bytes, so a second apply changes nothing and no state holds a secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import bcrypt
import nkeys

from deploys.secrets import derive

SCRAM_ROUNDS = 4096
"""PostgreSQL's own default (scram_iterations). The passwords are 192 random bits: more would be no safer."""
BCRYPT_ROUNDS = 10
"""What n8n hashes with."""

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class Identity:
    """Who someone is to NATS (an nkey: Ed25519).

    Args:
        name: the host's label.
        public: what the server knows, ``U...``.
        seed: what its holder signs with, ``SU...``.
    """

    name: str
    public: str
    seed: str


@dataclass(frozen=True)
class Credentials:
    """Everything secret that the orchestrator's services need.

    Args:
        secret: the root secret, see :func:`deploys.secrets.root_secret`.
    """

    secret: bytes

    def __repr__(self) -> str:
        """Without the secret."""
        return "Credentials()"

    def password(self, account: str) -> str:
        """A service's password, 32 URL-safe characters, 192 bits.

        Args:
            account: service and name: `postgresql n8n`.
        """
        return base64.urlsafe_b64encode(derive(self.secret, "service password", account, 24)).decode()

    def scram(self, account: str) -> str:
        """The password as PostgreSQL stores it: a SCRAM-SHA-256 verifier (RFC 5803, RFC 7677)."""
        salt = derive(self.secret, "scram salt", account, 16)
        salted = hashlib.pbkdf2_hmac("sha256", self.password(account).encode(), salt, SCRAM_ROUNDS)
        stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
        server = hmac.digest(salted, b"Server Key", "sha256")
        salt_text, stored_text, server_text = (
            base64.b64encode(part).decode() for part in (salt, stored, server)
        )
        return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{salt_text}${stored_text}:{server_text}"

    def bcrypt(self, account: str) -> str:
        """The password as n8n stores it."""
        salt = base64.b64encode(derive(self.secret, "bcrypt salt", account, 16)).decode().rstrip("=")
        spelled = salt.translate(str.maketrans(_BASE64, _BCRYPT64))
        settings = f"$2b${BCRYPT_ROUNDS}${spelled}"
        return bcrypt.hashpw(self.password(account).encode(), settings.encode()).decode()

    def identity(self, name: str) -> Identity:
        """A host's identity towards NATS."""
        seed = nkeys.encode_seed(derive(self.secret, "nats identity", name, 32), nkeys.PREFIX_BYTE_USER)
        return Identity(name, nkeys.from_seed(bytearray(seed)).public_key.decode(), seed.decode())
