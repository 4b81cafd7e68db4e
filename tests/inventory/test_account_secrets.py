"""Account passwords: derived, strong, checked by implementations that are not ours."""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import re

import pytest

from deploys.secrets import SecretError, account_password, password_hash, root_secret

SECRET = b"0123456789abcdef0123456789abcdef"
ADDRESS = "anna.berg@example.com"


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 sections 2.2 and 2.3, for at most one block."""
    key = hmac.digest(b"outreach-engine", secret, hashlib.sha256)
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:length]


def test_a_password_is_hkdf_of_secret_and_address() -> None:
    import base64

    expected = base64.urlsafe_b64encode(hkdf(SECRET, b"account password\0" + ADDRESS.encode(), 24)).decode()
    assert account_password(SECRET, ADDRESS) == expected


def test_passwords_hold_192_bits_and_differ_by_address_and_secret() -> None:
    passwords = {account_password(SECRET, f"a{index}@example.com") for index in range(500)}
    passwords.add(account_password(SECRET + b"0", "a0@example.com"))
    assert len(passwords) == 501
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", password) for password in passwords)


def test_the_system_s_crypt_accepts_the_hash_and_rejects_another_password() -> None:
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    for index in range(20):
        address = f"a{index}@example.com"
        hashed = password_hash(SECRET, address)
        assert re.fullmatch(r"\$6\$rounds=1000\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}", hashed)
        assert crypt(account_password(SECRET, address).encode(), hashed.encode()).decode() == hashed
        assert crypt(account_password(SECRET, ADDRESS).encode(), hashed.encode()).decode() != hashed


def test_the_same_account_renders_to_the_same_line_and_salts_differ() -> None:
    hashes = [password_hash(SECRET, address) for address in (ADDRESS, ADDRESS, "jonas@example.com")]
    assert hashes[0] == hashes[1]
    assert hashes[0].split("$")[3] != hashes[2].split("$")[3]


def test_a_missing_or_short_secret_is_refused_without_showing_it() -> None:
    with pytest.raises(SecretError, match="OUTREACH_SECRET is not set; make one with"):
        root_secret({})
    with pytest.raises(SecretError, match="has 31 characters, fewer than 32; make one with") as caught:
        root_secret({"OUTREACH_SECRET": "s3cret-" * 4 + "abc"})
    assert "s3cret" not in str(caught.value)
    assert root_secret({"OUTREACH_SECRET": "x" * 32}) == b"x" * 32
