"""The operators' public keys: given, read from files, or the login key's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from inventory import load_fleet

Write = Callable[[str], Path]
Problems = Callable[..., list[str]]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", path], check=True)
    return path


def with_keys(base: str, *entries: str) -> str:
    return base.replace("operators:\n", f"operators:\n  ssh_keys: [{', '.join(entries)}]\n")


def test_keys_are_given_or_read_from_the_files_named(write: Write, base: str, key: Path) -> None:
    public = key.with_suffix(".pub").read_text().strip()
    relative = os.path.relpath(key.with_suffix(".pub"), write(base).parent)
    for text in (with_keys(base, public), with_keys(base, f"{key}.pub"), with_keys(base, relative)):
        assert load_fleet(write(text), {}).operators.ssh_keys == (public,)


def test_without_keys_the_login_key_s_public_half_stands_in(write: Write, base: str, key: Path) -> None:
    public = key.with_suffix(".pub").read_text().strip()
    assert load_fleet(write(base), {"OUTREACH_SSH_KEY": str(key)}).operators.ssh_keys == (public,)
    assert load_fleet(write(base), {}).operators.ssh_keys == ()
    listed = with_keys(base, f"{key}.pub")
    assert load_fleet(write(listed), {"OUTREACH_SSH_KEY": "/nowhere"}).operators.ssh_keys == (public,)


def test_what_is_no_public_key_is_refused_and_never_shown_if_private(
    problems: Problems, write: Write, base: str, key: Path
) -> None:
    private = "".join(f"      {line}\n" for line in key.read_text().splitlines())
    text = base.replace("operators:\n", f"operators:\n  ssh_keys:\n    - |\n{private}")
    right = "write one line like `ssh-ed25519 AAAA... name`, or name a .pub file"
    assert problems(write(text)) == [f"fleet.yaml:9: operators.ssh_keys[0]: this is a private key; {right}"]
    for entry, wrong in [
        ("ssh-foo AAAA", "'ssh-foo' is not a type of SSH public key"),
        ("ssh-ed25519 AAAA", "the key does not hold an ssh-ed25519 key"),
        ("ssh-ed25519 A", "the key's base64 is damaged"),
        ("/nowhere/id.pub", "/nowhere/id.pub cannot be read (No such file or directory)"),
    ]:
        assert problems(write(with_keys(base, entry))) == [
            f"fleet.yaml:8: operators.ssh_keys[0]: {wrong}; {right}"
        ]
    twice = problems(write(with_keys(base, f"{key}.pub", f"{key}.pub")))
    assert twice == ["fleet.yaml:8: operators.ssh_keys[1]: the same key is listed twice; remove one"]
    wrong = "/nowhere/id.pub cannot be read (No such file or directory)"
    missing = problems(write(base), {"OUTREACH_SSH_KEY": "/nowhere/id"})
    assert missing == [f"fleet.yaml:7: operators.ssh_keys: {wrong}; {right}"]
