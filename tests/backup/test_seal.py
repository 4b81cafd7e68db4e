"""The encryption around it: read with the right identity alone, and one line for whatever is wrong."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pyrage
import pytest

from backup.errors import BackupError, DamagedError
from backup.seal import encrypt, identities, opened, recipient

PLAIN = bytes(range(256)) * 1000


@pytest.fixture
def sealed(tmp_path: Path, identity: Path) -> Path:
    path = tmp_path / "test.age"
    with path.open("wb") as file:
        encrypt(iter([PLAIN]), file, [identity.read_text().splitlines()[1].rpartition(" ")[2]])
    return path


def read(path: Path, identity: Path) -> bytes:
    with opened(path, identities(identity)) as plain:
        return plain.read()


def test_the_identity_opens_it(sealed: Path, identity: Path) -> None:
    assert read(sealed, identity) == PLAIN
    assert PLAIN[:64] not in sealed.read_bytes()


def test_another_identity_does_not(sealed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    with pytest.raises(BackupError, match="no identity that was given opens it"):
        read(sealed, other)


@pytest.mark.parametrize("size", [0, 20, 150, 70_000, 256_000, -1])
def test_one_cut_short_is_refused(sealed: Path, identity: Path, size: int) -> None:
    sealed.write_bytes(sealed.read_bytes()[:size])
    with pytest.raises(DamagedError, match="is damaged, or not all of it is there"):
        read(sealed, identity)


@pytest.mark.parametrize("at", [0, 60, 400, -1])
def test_a_changed_byte_is_refused(sealed: Path, identity: Path, at: int) -> None:
    data = bytearray(sealed.read_bytes())
    data[at] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(BackupError):
        read(sealed, identity)


def test_a_reader_that_gives_up_waits_for_nobody(sealed: Path, identity: Path) -> None:
    with opened(sealed, identities(identity)) as plain, pytest.raises(ZeroDivisionError):
        _ = plain.read(10)[0] / 0


def test_what_stops_the_source_or_the_disk_is_told_as_it_was(identity: Path) -> None:
    key = identity.read_text().splitlines()[1].rpartition(" ")[2]

    def broken() -> object:
        yield b"x"
        raise BackupError("the database went away")

    class Full(io.BytesIO):
        def write(self, _data: object, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BackupError, match="the database went away"):
        encrypt(broken(), io.BytesIO(), [key])  # type: ignore[arg-type] # it yields bytes until it raises
    with pytest.raises(OSError, match="No space left"):
        encrypt(iter([PLAIN]), Full(), [key])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no age identity"),
        ("age1qqqq\n", "holds no age identity"),
        ("AGE-SECRET-KEY-1QQQQ\n", "holds a damaged age identity"),
        ("age-encryption.org/v1\n-> scrypt\n", "decrypt one with a passphrase first"),
    ],
)
def test_a_file_that_is_no_identity_is_one_line_without_its_content(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "key.txt"
    path.write_text(text)
    with pytest.raises(BackupError, match=said) as raised:
        identities(path)
    assert "QQQQ" not in str(raised.value)


def test_a_recipient_with_a_typing_mistake_is_refused(identity: Path) -> None:
    key = identity.read_text().splitlines()[1].rpartition(" ")[2]
    assert str(recipient(key)) == key
    with pytest.raises(BackupError, match="is no age public key"):
        recipient(key[:-1] + ("q" if key[-1] != "q" else "p"))
