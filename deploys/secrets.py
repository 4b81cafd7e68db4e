"""Passwords and keys, derived from one root secret so that none is stored anywhere.

Whoever holds ``OUTREACH_SECRET`` and an address can compute that account's password; whoever holds any
number of passwords learns nothing of the secret or of another password (HKDF, RFC 5869). A new secret gives
every account a new password, and every host new keys.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from passlib.hash import sha512_crypt  # type: ignore[import-untyped]  # libpass ships no types

VARIABLE = "OUTREACH_SECRET"
MIN_LENGTH = 32
"""Characters; 32 random hexadecimal digits hold 128 bits."""

ROUNDS = 1000
"""The fewest sha512-crypt has. Rounds make guessing dear where people choose passwords; these are 192 random
bits, which no number of guesses finds, so more rounds would only make each plan and each login slower."""

_HASH_SALT_BYTES = 12  # 16 characters of base64, the most that sha512-crypt takes


class SecretError(ValueError):
    """The root secret is missing or too weak to derive passwords from."""


def root_secret(environ: Mapping[str, str] | None = None) -> bytes:
    """Read the root secret from the environment.

    Raises:
        SecretError: if ``OUTREACH_SECRET`` is unset or shorter than 32 characters; it never shows the value.
    """
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    advice = "make one with `openssl rand -hex 32` and keep it safe"
    if not value:
        raise SecretError(f"{VARIABLE} is not set; {advice}")
    if len(value) < MIN_LENGTH:
        raise SecretError(f"{VARIABLE} has {len(value)} characters, fewer than {MIN_LENGTH}; {advice}")
    return value.encode()


def account_password(secret: bytes, address: str) -> str:
    """Derive an account's password: 32 URL-safe characters, 192 bits.

    Args:
        secret: from :func:`root_secret`.
        address: the account's address, in lower case as the fleet has it.
    """
    return base64.urlsafe_b64encode(derive(secret, "account password", address, 24)).decode()


def password_hash(secret: bytes, address: str) -> str:
    """Hash an account's password for Dovecot, as sha512-crypt (``$6$...``).

    The salt is derived too: the same account renders to the same line, so a second apply changes nothing.

    Args:
        secret: from :func:`root_secret`.
        address: the account's address.
    """
    salt = base64.b64encode(derive(secret, "hash salt", address, _HASH_SALT_BYTES), altchars=b"./").decode()
    hashed = sha512_crypt.using(rounds=ROUNDS, salt=salt).hash(account_password(secret, address))
    return str(hashed)


def api_key(secret: bytes, fqdn: str) -> str:
    """Derive the orchestrator's key to a node's REST service: 43 URL-safe characters, 256 bits.

    Args:
        secret: from :func:`root_secret`.
        fqdn: the node's full name; each node has another key.
    """
    return base64.urlsafe_b64encode(derive(secret, "api key", fqdn, 32)).decode().rstrip("=")


def fingerprint(secret: bytes) -> str:
    """Derive a name for the secret, 8 hexadecimal digits: tells two apart, and nothing else of either.

    Args:
        secret: from :func:`root_secret`.
    """
    return derive(secret, "fingerprint", "", 4).hex()


def caller_key(secret: bytes, caller: str, fqdn: str) -> str:
    """Derive a program's or person's key to the orchestrator's own REST service, as long as a node's.

    Args:
        secret: from :func:`root_secret`.
        caller: who calls: `n8n`, `operator`.
        fqdn: the orchestrator's full name.
    """
    return api_key(secret, f"{caller}@{fqdn}")


def derive(secret: bytes, purpose: str, subject: str, length: int) -> bytes:
    """Derive bytes that nobody without the secret can know.

    Args:
        secret: from :func:`root_secret`.
        purpose: what they are for; no two purposes share a name.
        subject: whose they are: an address, a host's name.
        length: how many.
    """
    info = f"{purpose}\0{subject}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=b"outreach-engine", info=info).derive(secret)
