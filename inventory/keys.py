"""The operators' public keys: as the file gives them, or read from the `.pub` files it names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from pathlib import Path

from inventory.problems import FieldPath, Finding

_FIELD: FieldPath = ("operators", "ssh_keys")
_RIGHT = "write one line like `ssh-ed25519 AAAA... name`, or name a .pub file"
_TYPES = {
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}


def read_keys(
    entries: Iterable[str], folder: Path, environ: Mapping[str, str]
) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the keys that `entries` give or name, and what is wrong with them.

    Args:
        entries: public keys, or paths of `.pub` files; none means the public half of ``OUTREACH_SSH_KEY``.
        folder: where a relative path starts.
        environ: the environment.
    """
    wanted = {(*_FIELD, index): entry.strip() for index, entry in enumerate(entries)}
    private = environ.get("OUTREACH_SSH_KEY")
    if not wanted and private:
        wanted = {_FIELD: f"{Path(private).expanduser().absolute()}.pub"}
    keys: dict[str, str] = {}
    findings: list[Finding] = []
    for path, entry in wanted.items():
        try:
            key = _key(entry, folder)
        except ValueError as error:
            findings.append(Finding(path, str(error), _RIGHT))
            continue
        if key.split()[1] in keys:
            findings.append(Finding(path, "the same key is listed twice", "remove one"))
        keys[key.split()[1]] = key
    return tuple(keys.values()), findings


def _key(entry: str, folder: Path) -> str:
    """The key that an entry gives or names. Raises ValueError with what is wrong."""
    key = entry
    if key.endswith(".pub") and not key.startswith(tuple(f"{kind} " for kind in _TYPES)):
        file = folder / Path(key).expanduser()
        try:
            key = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"{file} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise ValueError(f"{file} is not text") from None
    wrong = _fault(key)
    if wrong:
        raise ValueError(wrong)
    return key


def _fault(key: str) -> str | None:
    """What is wrong with a public key line; its blob starts with its own type (RFC 4253 section 6.6)."""
    if "PRIVATE KEY" in key:
        return "this is a private key"
    if len(key.splitlines()) != 1:
        return "not one line"
    kind, _, rest = key.partition(" ")
    if kind not in _TYPES:
        return f"{kind[:40]!r} is not a type of SSH public key"
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except binascii.Error:
        return "the key's base64 is damaged"
    name = kind.encode()
    if len(blob) < 32 or blob[: 4 + len(name)] != len(name).to_bytes(4, "big") + name:
        return f"the key does not hold an {kind} key"
    return None
