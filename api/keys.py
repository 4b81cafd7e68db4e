"""Who may call: keys hashed at rest, each with a name and what it is for."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from api.config import ConfigurationError


class Scope(StrEnum):
    """What a key may be used for."""

    VALIDATE = "validate"
    JOBS = "jobs"
    NOTIFY = "notify"
    METRICS = "metrics"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Key:
    """One caller.

    Attributes:
        name: In logs, and the owner of the jobs submitted with it.
        digest: SHA-256 of the key. A key is 256 random bits, which no dictionary holds; so a fast hash is
            enough and a slow one would only cost each request.
        scopes: What it is for.
    """

    name: str
    digest: bytes
    scopes: frozenset[Scope]


class Keyring:
    """All keys."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)

    def find(self, text: str) -> Key | None:
        """The key that `text` is. Every key is compared, each in constant time."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def load_keys(path: Path) -> Keyring:
    """Read the keys file: `[[keys]]` with `name`, `sha256` and `scopes`.

    Raises:
        ConfigurationError: naming the file and the entry. What stands there is never shown.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        # The parser quotes what it stumbles over, which may be a key pasted by mistake.
        raise ConfigurationError(f"{path} is not TOML") from None
    entries = data.get("keys", [])
    if set(data) - {"keys"} or not isinstance(entries, list):
        raise ConfigurationError(f"{path}: holds something else than [[keys]] entries")
    found: dict[str, Key] = {}
    digests: set[bytes] = set()
    for number, entry in enumerate(entries, 1):
        key = _key(entry, f"{path}: entry {number}")
        if key.name in found or key.digest in digests:
            raise ConfigurationError(f"{path}: entry {number}: the name or the key is there twice")
        found[key.name] = key
        digests.add(key.digest)
    return Keyring(found.values())


def _key(entry: Any, where: str) -> Key:
    if not isinstance(entry, dict) or set(entry) != {"name", "sha256", "scopes"}:
        raise ConfigurationError(f"{where}: wants name, sha256 and scopes, and nothing else")
    name, digest, scopes = entry["name"], entry["sha256"], entry["scopes"]
    checked_name(name, where)
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ConfigurationError(f"{where}: sha256 is not 64 hexadecimal digits in lower case")
    if not isinstance(scopes, list):
        raise ConfigurationError(f"{where}: scopes is not a list")
    return Key(name, bytes.fromhex(digest), parse_scopes(scopes, where))


def checked_name(name: Any, where: str) -> str:
    """A name that fits logs and job stores.

    Raises:
        ConfigurationError: it does not.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ConfigurationError(f"{where}: a name has letters, digits, . _ and -, at most 64")
    return name


def parse_scopes(words: Collection[Any], where: str) -> frozenset[Scope]:
    """Read scopes.

    Raises:
        ConfigurationError: there is none, or an unknown one.
    """
    known = {scope.value for scope in Scope}
    wrong = [word for word in words if not isinstance(word, str) or word not in known]
    if wrong or not words:
        problem = f"unknown scope {str(wrong[0])[:40]!r}" if wrong else "no scope"
        raise ConfigurationError(f"{where}: {problem}; there are: {', '.join(sorted(known))}")
    return frozenset(Scope(word) for word in words)


def new_key() -> str:
    """256 random bits, with a prefix by which scanners of leaked secrets can know it."""
    return f"oek_{secrets.token_urlsafe(32)}"


def block(name: str, key: str, scopes: Collection[Scope]) -> str:
    """What to put into the keys file for a key."""
    listed = ", ".join(f'"{scope.value}"' for scope in sorted(scopes))
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = [{listed}]\n'
